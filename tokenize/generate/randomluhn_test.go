package generate

import (
	"slices"
	"strconv"
	"testing"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/stretchr/testify/require"
)

func TestRandomWithLuhnTokens(t *testing.T) {
	const n = 100_000
	var digit [11][]int
	for i := range digit {
		digit[i] = make([]int, 10)
	}
	slot := make([]int, slots)
	buf := make([]byte, 0, luhnTokenLen)
	for range n {
		buf = AppendRandomWithLuhn(buf[:0])
		token := string(buf)
		require.Len(t, token, 16)
		require.Equal(t, byte('9'), token[0])
		require.True(t, slowLuhn(token))
		require.True(t, card.Luhn(buf))
		require.True(t, IsRandomWithLuhn(token))
		require.True(t, Valid(RandomWithLuhn, token))
		for i := range digit {
			digit[i][token[4+i]-'0']++
		}
		code, err := strconv.Atoi(token[1:4])
		require.NoError(t, err)
		i, ok := slices.BinarySearch(codes.open[:], uint16(code))
		require.True(t, ok)
		slot[i]++
	}
	for _, c := range digit {
		requireUniform(t, c, "digit")
	}
	requireUniform(t, slot, "code")
	require.NotContains(t, slot, 0, "a code is never drawn")
}

func TestRandomWithLuhnIndex(t *testing.T) {
	require.EqualValues(t, 624e11, RandomWithLuhnSize)
	at := func(k uint64) string { return string(appendLuhnToken(nil, k)) }
	require.Equal(t, "9000000000000001", at(0))
	require.Equal(t, "9000000000000019", at(1))
	require.Equal(t, "9000999999999992", at(perSlot-1))
	require.Equal(t, "9001000000000000", at(perSlot))
	require.Equal(t, "9899999999999996", at(RandomWithLuhnSize-1))
	for range 2000 {
		k := Uint64n(RandomWithLuhnSize - 1)
		a, b := at(k), at(k+1)
		require.Less(t, a, b)
		require.True(t, slowLuhn(a))
	}
	require.Equal(t, "kept"+at(7), string(appendLuhnToken([]byte("kept"), 7)))
}

func TestIsRandomWithLuhn(t *testing.T) {
	for token, want := range map[string]bool{
		"9000000000000001":  true,
		"9000000000000002":  false, // check digit
		"9792030000000000":  false, // Troy, a published test card
		"9891000000000003":  false, // a withdrawn code
		"9999000000000004":  false, // user-assigned
		pan16:               false,
		"":                  false,
		"900000000000000":   false,
		"90000000000000009": false,
		"900000000000000x":  false,
		"9x00000000000009":  false,
	} {
		require.Equal(t, want, IsRandomWithLuhn(token), "token of %d characters", len(token))
	}
	// A look-up accepts what an earlier release may have drawn.
	require.True(t, Valid(RandomWithLuhn, "9891000000000003"))
	require.True(t, Valid(RandomWithLuhn, "9999000000000004"))
}

// No token lies inside a range that the brand table knows. Brands are told by at
// most eight digits, and this goes through all beginnings of that length.
func TestTokensLieInNoBrand(t *testing.T) {
	digits := make([]byte, 0, luhnTokenLen)
	known := func() bool { return card.NetworkOf(digits).Known() }
	for slot := range uint64(slots) {
		for upper := range uint64(10000) {
			digits = appendLuhnToken(digits[:0], slot*perSlot+upper*1000_0000)
			if known() {
				t.Fatalf("tokens beginning %s lie in a brand's range", digits[:8])
			}
		}
	}
	// The test can tell: brands that lie in what is left out are found.
	for _, pan := range []string{"9792030000000000", "9704000000000018", "9860000000000000"} {
		digits = append(digits[:0], pan...)
		require.True(t, known())
	}
}
