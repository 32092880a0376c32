package tokenize_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Whatever the strategy, four digits of every number are neither stored nor shown.
func TestRoomIsNeverSmall(t *testing.T) {
	for _, g := range append(slices.Clone(generations), tokenize.FF1) {
		narrowest := uint64(1 << 63)
		for _, room := range (tokenize.Config{Generation: g}).Rooms() {
			require.LessOrEqual(t, room.First+room.Last, room.Length-4)
			narrowest = min(narrowest, room.Numbers)
		}
		require.EqualValues(t, 1000, narrowest)
	}
}

// A mask shows nothing but digits that are in clear beside it, by a save as by a look:
// two views that differ would be joined (PCI DSS 3.5.1).
func TestMasksShowNothingMore(t *testing.T) {
	w := inMemory(t)
	for _, text := range []string{"8.4", "8.0", "6.4", "7.1*", "0.4", "0.0"} {
		mask, err := card.ParseMask(text)
		require.NoError(t, err)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyNone, func(c *tokenize.Config) {
			c.ID, c.Masking = fmt.Sprintf("M%d-%d", mask.First(), mask.Last()), mask
		})
		for _, digits := range []string{"500000000005", visa13, diners, amex, visa, "5018000000000009", maestro} {
			d := w.save(r, req(t, digits))
			got, err := r.Get(t.Context(), me, d.Token)
			require.NoError(t, err)
			require.Equal(t, d.Masked, got.Masked, "%s of %d digits", text, len(digits))
			shown := strings.FieldsFunc(d.Masked, func(c rune) bool { return c < '0' || c > '9' })
			for i, run := range shown {
				if i == 0 && strings.HasPrefix(d.Masked, run) {
					require.True(t, strings.HasPrefix(d.BIN, run), "%s of %d digits", text, len(digits))
					continue
				}
				require.True(t, strings.HasSuffix(d.LastFour, run))
			}
		}
	}
}

// The arithmetic, counted out: numbers that have the digits known and pass Luhn. What
// a row keeps and a token shows is in the digits known.
func TestRoomIsCounted(t *testing.T) {
	w := inMemory(t)
	for g, digits := range map[tokenize.Generation]string{
		tokenize.UUID: visa, tokenize.Preserve64: amex, tokenize.FF1: amex, tokenize.RandomWithLuhn: diners,
	} {
		r := w.repo(g, tokenize.UniqueCard)
		d := w.save(r, req(t, digits))
		n := len(digits)
		room := r.Config().Rooms()[n-card.MinLen]
		require.Equal(t, n, room.Length)
		require.LessOrEqual(t, len(w.row(r, d.Token).BIN), room.First)
		if f, l := g.Keeps(n); f > 0 {
			require.Equal(t, digits[:f]+digits[n-l:], d.Token[:f]+d.Token[n-l:])
			require.LessOrEqual(t, f, room.First)
		}
		hidden, possible := n-room.First-room.Last, uint64(0)
		for m := 0; len(fmt.Sprintf("%0*d", hidden, m)) == hidden; m++ {
			if card.Luhn(fmt.Appendf(nil, "%s%0*d%s", digits[:room.First], hidden, m, digits[n-room.Last:])) {
				possible++
			}
		}
		require.Equal(t, possible, room.Numbers, g)
	}
}

func TestRisks(t *testing.T) {
	texts := func(c tokenize.Config) (inherent, own string) {
		for _, risk := range c.Risks() {
			require.NotEmpty(t, risk.Text)
			require.False(t, strings.HasSuffix(risk.Text, "."))
			if risk.Inherent {
				inherent += risk.Text + "\n"
			} else {
				own += risk.Text + "\n"
			}
		}
		return inherent, own
	}
	plain := tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard}
	inherent, own := texts(plain)
	require.Contains(t, inherent, "left with 1000 numbers for a card of 16 digits, with 10000 for one of 15")
	require.Empty(t, own)
	mask, err := card.ParseMask("8.4")
	require.NoError(t, err)
	for _, c := range []struct {
		change func(*tokenize.Config)
		says   []string
	}{
		{func(c *tokenize.Config) { c.Generation = tokenize.Preserve64 }, []string{"900000 tokens share them", "PRESERVE_6_4 tokens are told", "UnionPay"}},
		{func(c *tokenize.Config) { c.Generation = tokenize.FF1 }, []string{"five and four", "ring fpe", "one in nine", "100000 numbers", "FF1 tokens are told"}},
		{func(c *tokenize.Config) { c.Generation = tokenize.MerchantProvided }, []string{"makes the number whole"}},
		{func(c *tokenize.Config) { c.Management = tokenize.UniqueToken }, []string{"UNIQUE_TOKEN gives"}},
		{func(c *tokenize.Config) { c.Verification = tokenize.None }, []string{"verification NONE"}},
		{func(c *tokenize.Config) { c.IssuerCodes = true }, []string{"PCI DSS 3.3.3"}},
		{func(c *tokenize.Config) { c.Masking = mask }, []string{"masking 8.4 shows 12 of 16 digits"}},
	} {
		config := plain
		c.change(&config)
		always, own := texts(config)
		require.Equal(t, inherent, always)
		for _, want := range c.says {
			require.Contains(t, own, want)
		}
	}
	require.Empty(t, tokenize.Config{}.Risks(), "no repository has it")
}

func ExampleConfig_Risks() {
	c := tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueToken}
	for _, risk := range c.Risks() {
		if !risk.Inherent {
			fmt.Println(risk.Text)
		}
	}
	// Output: UNIQUE_TOKEN gives a card as many tokens as it is saved times; deleting a card means deleting each
}

func ExampleConfig_Rooms() {
	c := tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard}
	for _, room := range c.Rooms()[3:5] {
		fmt.Println(room.Length, room.First, room.Last, room.Numbers)
	}
	// Output:
	// 15 6 4 10000
	// 16 8 4 1000
}
