package generate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMerchantTokenShape(t *testing.T) {
	never := func([]byte) bool { return false }
	for _, good := range []string{
		"a", "Z", "0", "order7", strings.Repeat("x", 40), strings.Repeat("7", 40), "12345678901",
	} {
		require.NoError(t, CheckMerchantToken(good, []byte(pan16), never), good)
		require.True(t, Valid(MerchantProvided, good))
	}
	for _, bad := range []string{"", strings.Repeat("x", 41), "a b", "a-b", "a_b", "é", "a\x00", "٣", "a\n"} {
		requireRefused(t, CheckMerchantToken(bad, nil, never), FieldToken, ErrMalformed, bad)
		require.False(t, Valid(MerchantProvided, bad))
	}
	for c := range 256 {
		want := strings.IndexByte("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", byte(c)) >= 0
		require.Equal(t, want, isMerchantToken(string([]byte{'x', byte(c)})), "character %d", c)
	}
}

func TestMerchantTokenHoldsTheNumber(t *testing.T) {
	never := func([]byte) bool { return false }
	for _, token := range []string{pan16, "x" + pan16, pan16 + "0", "A1" + pan16 + "zz"} {
		requireRefused(t, CheckMerchantToken(token, []byte(pan16), never), FieldToken, ErrLooksLikeCard, pan16)
		require.NoError(t, CheckMerchantToken(token, []byte(pan19), never))
		require.NoError(t, CheckMerchantToken(token, nil, never), "with no number there is nothing to contain")
	}
}

func TestMerchantTokenLooksLikeACard(t *testing.T) {
	// Asked for tokens of 12 to 19 digits only, with the token's digits.
	for n := 1; n <= 40; n++ {
		token, asked := strings.Repeat("5", n), 0
		err := CheckMerchantToken(token, nil, func(d []byte) bool {
			asked++
			require.Equal(t, token, string(d))
			return true
		})
		if n < 12 || n > 19 {
			require.NoError(t, err)
			require.Zero(t, asked)
			continue
		}
		requireRefused(t, err, FieldToken, ErrLooksLikeCard, token)
		require.Equal(t, 1, asked)
	}
	require.NoError(t, CheckMerchantToken("424242424242424a", nil, func([]byte) bool { return true }))
}

// With package card's table: other cards are refused, tokens of our own are not.
func TestMerchantTokenWithCardTable(t *testing.T) {
	for _, pan := range []string{pan14, pan15, pan16, pan19, panNoLuhn, "9792030000000000"} {
		requireRefused(t, CheckMerchantToken(pan, []byte("4111111111111111"), nil), FieldToken, ErrLooksLikeCard, pan)
	}
	for range 100 {
		ours := string(AppendRandomWithLuhn(nil))
		require.NoError(t, CheckMerchantToken(ours, []byte(pan16), nil))
	}
	require.NoError(t, CheckMerchantToken("4242424242424241", nil, nil), "fails Luhn, and Visa demands it")
}
