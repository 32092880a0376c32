package tokenize

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// Risk is something that a configuration means for those who live with it, in plain
// words. What is unsafe is refused by [Vault.EnsureRepository] and is no Risk.
type Risk struct {
	// Inherent is true of what every repository brings with it.
	Inherent bool
	Text     string // one sentence or two, no full stop at the end
}

// Room is how many card numbers are possible for one row of a repository, for
// whoever holds its store and every token, and none of its keys: those that have the
// digits which are stored or shown in clear (PCI DSS 3.5.1) and pass Luhn. Index
// values and analytics tokens are keyed and take nothing from it (3.5.1.1), and masks
// show nothing but what is kept in clear.
type Room struct {
	Length      int // of the number, 12 to 19
	First, Last int // digits known
	Numbers     uint64
}

// Rooms is the room for each length, the narrowest that a network leaves. It is never
// less than 1,000: of any number at least four digits are neither stored nor shown.
func (c Config) Rooms() []Room {
	rooms := make([]Room, 0, card.MaxLen-card.MinLen+1)
	for length := card.MinLen; length <= card.MaxLen; length++ {
		first, last := 0, 0
		for _, n := range card.Ranges() {
			t := n.Truncation(length)
			first, last = max(first, t.First), max(last, t.Last)
		}
		f, l := c.Generation.Keeps(length)
		first, last = max(first, f), max(last, l)
		numbers := uint64(1)
		for range length - first - last - 1 { // Luhn gives the last of them
			numbers *= 10
		}
		rooms = append(rooms, Room{length, first, last, numbers})
	}
	return rooms
}

// Risks says what the configuration, stored or about to be, means: how far what is
// kept in clear narrows card numbers down, what its tokens give away, and what its
// strategies cost. The most general come first. A configuration that a repository
// cannot have has none.
func (c Config) Risks() []Risk {
	c, err := c.filled()
	if err != nil {
		return nil
	}
	var all []Risk
	say := func(inherent bool, format string, args ...any) {
		all = append(all, Risk{inherent, fmt.Sprintf(format, args...)})
	}
	rooms := c.Rooms()
	least, amex := rooms[16-card.MinLen], rooms[15-card.MinLen]
	say(true, "BIN and last four are kept in clear: whoever has the store without its keys is left with %d numbers "+
		"for a card of 16 digits, with %d for one of 15", least.Numbers, amex.Numbers)
	say(true, "whoever has the store and the data key of ring index, or analytics tokens and that of ring analytics, "+
		"tries those %d numbers and knows which: keep the KMS away from the store", least.Numbers)
	say(true, "whoever may save can try numbers too, since a save says whether a card was known: "+
		"limit saves for each caller and first six and last four (Options.SaveLimit)")
	c.generationRisks(say)
	if c.Verification == None {
		say(false, "verification NONE saves numbers that no card can have")
	}
	if c.Management == UniqueToken {
		say(false, "UNIQUE_TOKEN gives a card as many tokens as it is saved times; deleting a card means deleting each")
	}
	if c.IssuerCodes {
		say(false, "security codes are kept for good, in the store and in every copy of it: PCI DSS 3.3.3 allows that to the issuer "+
			"of the cards and to nobody else")
	}
	if first, last := c.Masking.Shows(16); first+last > 10 {
		say(false, "masking %v shows %d of 16 digits", c.Masking, first+last)
	}
	return all
}

// generationRisks says what comes with the way tokens are made.
func (c Config) generationRisks(say func(inherent bool, format string, args ...any)) {
	switch c.Generation {
	case Preserve64:
		say(false, "PRESERVE_6_4 tokens show the card's first six and last four digits; "+
			"of a 16-digit card %d tokens share them, and saves fail when all are taken", space64Size(16))
	case FF1:
		say(false, "FF1 tokens show the card's first six and last four digits, of a 15-digit card five and four")
		say(false, "an FF1 token is the card to whoever has the data key of ring fpe, deleted cards included: erasing one card "+
			"does not end that, and the key cannot be replaced but by another repository")
		say(false, "an FF1 token proves nothing: one in nine that are made up opens, so permission to reveal without a row "+
			"(MayRevealFF1) is permission to get numbers that were never saved")
		say(false, "whoever may save can list the FF1 tokens of all 100000 numbers that share a 16-digit card's first six and last four")
	case MerchantProvided:
		say(false, "MERCHANT_PROVIDED tokens are the caller's: one that holds a whole number is refused, "+
			"but one that holds the digits which BIN and last four leave out makes the number whole")
	}
	if c.Generation == Preserve64 || c.Generation == FF1 {
		say(false, "%v tokens are told from card numbers by failing Luhn; cards of %s may fail it too, "+
			"so a token of theirs can be taken for a card, and those that fail it are refused",
			c.Generation, strings.Join(withoutLuhn(), ", "))
	}
}

// space64Size is how many PRESERVE_6_4 tokens cards of a length share.
func space64Size(length int) uint64 {
	s, err := generate.NewSpace64("000000", "0000", length)
	if err != nil {
		return 0
	}
	return s.Size()
}

// withoutLuhn lists the networks whose cards need not pass Luhn.
func withoutLuhn() []string {
	var names []string
	for _, n := range card.Ranges() {
		if n.Luhn() != card.LuhnRequired {
			names = append(names, n.Name())
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
