package generate

import (
	"strconv"

	"github.com/cardseal/cardseal/tokenize/card"
)

// MaxProbes is how many random tokens a repository tries before it concludes that
// the space is crowded. With half of a space taken, 32 misses in a row happen once
// in four thousand million saves.
const MaxProbes = 32

// Strategy is how a repository's tokens come about. The zero value is invalid. Its
// text, also in JSON, is the name in capitals.
type Strategy uint8

// The strategies. Their numbers are stored and do not change.
const (
	RandomWithLuhn   Strategy = 1 // RANDOM_WITH_LUHN
	Preserve64       Strategy = 2 // PRESERVE_6_4
	MerchantProvided Strategy = 3 // MERCHANT_PROVIDED
	UUID             Strategy = 4 // UUID
	FF1              Strategy = 5 // FF1
)

var names = [...]string{
	RandomWithLuhn:   "RANDOM_WITH_LUHN",
	Preserve64:       "PRESERVE_6_4",
	MerchantProvided: "MERCHANT_PROVIDED",
	UUID:             "UUID",
	FF1:              "FF1",
}

// Known reports whether s is one of the strategies.
func (s Strategy) Known() bool { return s > 0 && int(s) < len(names) }

// String returns the strategy's name, or one with its number that
// [ParseStrategy] refuses.
func (s Strategy) String() string {
	if !s.Known() {
		return "Strategy(" + strconv.Itoa(int(s)) + ")"
	}
	return names[s]
}

// ParseStrategy reads a name as [Strategy.String] writes it, byte for byte. The
// error is [ErrStrategy].
func ParseStrategy(name string) (Strategy, error) {
	for s := RandomWithLuhn; s.Known(); s++ {
		if names[s] == name {
			return s, nil
		}
	}
	return 0, ErrStrategy
}

// AppendText implements [encoding.TextAppender]. An invalid strategy is
// [ErrStrategy].
func (s Strategy) AppendText(dst []byte) ([]byte, error) {
	if !s.Known() {
		return nil, ErrStrategy
	}
	return append(dst, names[s]...), nil
}

// MarshalText implements [encoding.TextMarshaler], and so JSON.
func (s Strategy) MarshalText() ([]byte, error) { return s.AppendText(nil) }

// UnmarshalText implements [encoding.TextUnmarshaler]. On error s stays as it was.
func (s *Strategy) UnmarshalText(text []byte) error {
	v, err := ParseStrategy(string(text))
	if err != nil {
		return err
	}
	*s = v
	return nil
}

// Keeps returns how many leading and trailing digits of a card number with length
// digits its tokens show: 0 and 0 for strategies that show none, and for lengths that
// have no tokens. It says nothing of what a caller puts into a MerchantProvided token.
func (s Strategy) Keeps(length int) (first, last int) {
	switch {
	case s == Preserve64 && length >= minPreserved && length <= maxPreserved:
		return keptFirst, keptLast
	case s == FF1 && length >= minVaultless && length <= maxVaultless:
		return firstKept(length), keptLast
	}
	return 0, 0
}

// Valid reports whether token has the shape of the strategy's tokens, so that a
// look-up of anything else needs no store. It says nothing of whether the token
// exists, and goes on accepting what earlier releases drew. An unknown strategy
// has no valid token. It allocates nothing.
func Valid(s Strategy, token string) bool {
	switch s {
	case RandomWithLuhn:
		return isLuhnToken(token)
	case Preserve64:
		return len(token) >= minPreserved && len(token) <= maxPreserved &&
			isDigits(token) && !card.Luhn([]byte(token))
	case FF1:
		return len(token) >= minVaultless && len(token) <= maxVaultless &&
			isDigits(token) && !card.Luhn([]byte(token))
	case MerchantProvided:
		return isMerchantToken(token)
	case UUID:
		return IsUUID(token)
	}
	return false
}

// isLuhnToken tells 9nnnnnnnnnnnnnnC, whatever follows the 9.
func isLuhnToken(token string) bool {
	return len(token) == luhnTokenLen && token[0] == '9' && isDigits(token) && card.Luhn([]byte(token))
}
