package generate

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var all = map[Strategy]string{
	RandomWithLuhn:   "RANDOM_WITH_LUHN",
	Preserve64:       "PRESERVE_6_4",
	MerchantProvided: "MERCHANT_PROVIDED",
	UUID:             "UUID",
	FF1:              "FF1",
}

func TestStrategyNames(t *testing.T) {
	for s, name := range all {
		require.True(t, s.Known())
		require.Equal(t, name, s.String())
		back, err := ParseStrategy(name)
		require.NoError(t, err)
		require.Equal(t, s, back)
		text, err := json.Marshal(map[string]Strategy{"generation": s})
		require.NoError(t, err)
		require.Equal(t, `{"generation":"`+name+`"}`, string(text))
		var out struct{ Generation Strategy }
		require.NoError(t, json.Unmarshal(text, &out))
		require.Equal(t, s, out.Generation)
		b, err := s.AppendText([]byte("x"))
		require.NoError(t, err)
		require.Equal(t, "x"+name, string(b))
	}
	require.Len(t, all, len(names)-1)
	// The stored numbers.
	require.EqualValues(t, []int{1, 2, 3, 4, 5}, []int{int(RandomWithLuhn), int(Preserve64), int(MerchantProvided), int(UUID), int(FF1)})
}

func TestStrategyUnknown(t *testing.T) {
	for _, s := range []Strategy{0, 6, 255} {
		require.False(t, s.Known())
		_, err := ParseStrategy(s.String())
		require.ErrorIs(t, err, ErrStrategy)
		b, err := s.MarshalText()
		require.ErrorIs(t, err, ErrStrategy)
		require.Nil(t, b)
		require.False(t, Valid(s, pan16))
		require.False(t, Valid(s, ""))
	}
	for _, name := range []string{"", "uuid", "UUID ", "PRESERVE_6_4\n", "ff1", "1"} {
		s := Preserve64
		require.ErrorIs(t, s.UnmarshalText([]byte(name)), ErrStrategy)
		require.Equal(t, Preserve64, s, "changed on error")
	}
	var s Strategy
	require.Error(t, json.Unmarshal([]byte(`2`), &s), "numbers are not names")
}

func TestValid(t *testing.T) {
	fails := string(space(t, pan16).AppendToken(nil, 0))
	uuid := string(AppendUUID(nil))
	luhn := string(AppendRandomWithLuhn(nil))
	for token, of := range map[string][]Strategy{
		fails:                   {Preserve64, FF1, MerchantProvided},
		luhn:                    {RandomWithLuhn, MerchantProvided},
		uuid:                    {UUID},
		pan16:                   {MerchantProvided},
		fails[:13]:              {MerchantProvided},
		strings.Repeat("1", 20): {MerchantProvided},
		"":                      nil,
		" ":                     nil,
		fails + " ":             nil,
		"9" + luhn:              {MerchantProvided},
	} {
		if token == "9"+luhn && !slowLuhn(token) {
			of = append(of, Preserve64, FF1)
		}
		for s := range all {
			require.Equal(t, slices.Contains(of, s), Valid(s, token), "%v, a token of %d characters", s, len(token))
		}
	}
}

func TestErrorText(t *testing.T) {
	require.EqualError(t, &Error{FieldToken, ErrLooksLikeCard},
		"generate: token would put a card number where a token belongs")
	require.EqualError(t, &Error{FieldNumber, ErrTooShort}, "generate: number has fewer than 14 digits")
}
