package generate

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/ff1"
	"github.com/cardseal/cardseal/tokenize/card"
)

const vaultScope = "0a1b2c3d-4e5f-4a6b-8c7d-9e8f7a6b5c4d"

func vaultless(t testing.TB, scope string) *Vaultless {
	t.Helper()
	f, err := NewVaultless(bytes.Repeat([]byte{7}, 32), "test", scope)
	require.NoError(t, err)
	return f
}

// slowToken is the definition, with the general cipher and a tweak built by hand.
func slowToken(t testing.TB, key []byte, environment, scope, number string) string {
	t.Helper()
	k, err := ff1.NewKey(key)
	require.NoError(t, err)
	c, err := k.Cipher(10)
	require.NoError(t, err)
	name, first := "6.4", 6
	if len(number) == 15 {
		name, first = "5.4", 5
	}
	last := len(number) - 4
	head, middle, tail := number[:first], []byte(number[first:last]), number[last:]
	tweak := ""
	for _, part := range []string{"cardseal ff1", environment, scope, name, head + tail} {
		tweak += string([]byte{byte(len(part) >> 8), byte(len(part))}) + part
	}
	end := &middle[len(middle)-1]
	*end = (*end-'0'+1)%10 + '0'
	for {
		numerals := make([]uint16, len(middle))
		for i, d := range middle {
			numerals[i] = uint16(d - '0')
		}
		numerals, err = c.Encrypt(numerals[:0], numerals, []byte(tweak))
		require.NoError(t, err)
		for i, n := range numerals {
			middle[i] = byte(n) + '0'
		}
		if token := head + string(middle) + tail; !slowLuhn(token) {
			return token
		}
	}
}

// vaultlessNumber is the n-th of many Luhn-valid numbers of a length.
func vaultlessNumber(t testing.TB, length, n int) []byte {
	t.Helper()
	digits := fmt.Appendf(nil, "4%0*d", length-2, n*1_234_567%1_000_000_0000_000)
	check, err := card.CheckDigit(digits)
	require.NoError(t, err)
	return append(digits, check)
}

// Known answers, which no later version changes.
func TestVaultlessVectors(t *testing.T) {
	raw, err := os.ReadFile("testdata/vaultless.json")
	require.NoError(t, err)
	var vectors []struct {
		Key, Environment, Scope, Number, Token string
	}
	require.NoError(t, json.Unmarshal(raw, &vectors))
	require.Len(t, vectors, 20)
	for _, v := range vectors {
		key, err := hex.DecodeString(v.Key)
		require.NoError(t, err)
		f, err := NewVaultless(key, v.Environment, v.Scope)
		require.NoError(t, err)
		got, err := f.AppendToken(nil, []byte(v.Number))
		require.NoError(t, err)
		require.Equal(t, v.Token, string(got))
		require.Equal(t, v.Token, slowToken(t, key, v.Environment, v.Scope, v.Number))
		back, err := f.AppendNumber(nil, got)
		require.NoError(t, err)
		require.Equal(t, v.Number, string(back))
	}
}

func TestVaultlessOfEveryLength(t *testing.T) {
	f := vaultless(t, vaultScope)
	for length := minVaultless; length <= maxVaultless; length++ {
		first := 6
		if length == 15 {
			first = 5
		}
		var numbers, tokens []byte
		for i := range 500 {
			number := vaultlessNumber(t, length, i)
			token, err := f.AppendToken([]byte("x"), number)
			require.NoError(t, err)
			token = token[1:]
			require.Len(t, token, length)
			require.Equal(t, number[:first], token[:first])
			require.Equal(t, number[length-4:], token[length-4:])
			require.False(t, slowLuhn(string(token)))
			require.NotEqual(t, number, token)
			require.True(t, Valid(FF1, string(token)))
			if i < 50 {
				require.Equal(t, slowToken(t, bytes.Repeat([]byte{7}, 32), "test", vaultScope, string(number)), string(token))
			}
			back, err := f.AppendNumber([]byte("x"), token)
			require.NoError(t, err)
			require.Equal(t, "x"+string(number), string(back))
			numbers, tokens = append(numbers, number...), append(tokens, token...)
		}
		got, err := f.AppendTokens([]byte("x"), numbers, length)
		require.NoError(t, err)
		require.Equal(t, "x"+string(tokens), string(got))
		require.Equal(t, tokens, must(f.AppendTokens(numbers[:0], numbers, length)), "in place")
	}
	require.Empty(t, must(f.AppendTokens(nil, nil, 16)))
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// All 100,000 numbers of one prefix and last four have as many tokens, and of what
// fails Luhn just those have a number behind them: one in nine.
func TestVaultlessIsAPermutation(t *testing.T) {
	f := vaultless(t, vaultScope)
	var numbers []byte
	whole := []byte("4242420000004242")
	for m := range 1_000_000 {
		appendFixed(whole[:6], uint64(m), 6)
		if card.Luhn(whole) {
			numbers = append(numbers, whole...)
		}
	}
	require.Len(t, numbers, 100_000*16)
	tokens, err := f.AppendTokens(nil, numbers, 16)
	require.NoError(t, err)
	behind := make(map[string]string, 100_000)
	for i := 0; i < len(tokens); i += 16 {
		behind[string(tokens[i:i+16])] = string(numbers[i : i+16])
	}
	require.Len(t, behind, 100_000, "two numbers with one token")

	made, opened := 0, 0
	number := make([]byte, 0, 16)
	for m := 0; m < 1_000_000; m += 17 {
		appendFixed(whole[:6], uint64(m), 6)
		if card.Luhn(whole) {
			continue
		}
		made++
		got, err := f.AppendNumber(number, whole)
		if err == nil {
			opened++
		} else {
			require.ErrorIs(t, err, ErrNoNumber)
		}
		if string(got) != behind[string(whole)] {
			require.Fail(t, "a token of another number")
		}
	}
	// About 52,900 and a ninth of them, here within seven standard deviations.
	require.InDelta(t, float64(made)/9, opened, 500)
}

// Another key, environment, scope or kept digit makes another number of a token, or
// none, which is one in nine.
func TestVaultlessIsBoundToItsPlace(t *testing.T) {
	f := vaultless(t, vaultScope)
	other := func(key byte, environment, scope string) *Vaultless {
		o, err := NewVaultless(bytes.Repeat([]byte{key}, 32), environment, scope)
		require.NoError(t, err)
		return o
	}
	// Where environment ends and scope begins counts too.
	apart, joined := other(7, "test", "ab"), other(7, "testa", "b")
	for name, pair := range map[string][2]*Vaultless{
		"key": {f, other(8, "test", vaultScope)}, "environment": {f, other(7, "prod", vaultScope)},
		"scope": {f, other(7, "test", strings.ToUpper(vaultScope))}, "parts": {apart, joined},
	} {
		same, opened := 0, 0
		for i := range 900 {
			number := vaultlessNumber(t, 16, i)
			token, err := pair[0].AppendToken(nil, number)
			require.NoError(t, err)
			if bytes.Equal(token, must(pair[1].AppendToken(nil, number))) {
				same++
			}
			if back, err := pair[1].AppendNumber(nil, token); err == nil {
				opened++
				if bytes.Equal(back, number) {
					same++
				}
			}
		}
		require.LessOrEqual(t, same, 2, name)
		// 100 on average; ten standard deviations either way.
		require.Greater(t, opened, 5, name)
		require.Less(t, opened, 195, name)
	}
	// A digit of those kept is changed on the way.
	wrong := 0
	for i := range 900 {
		number := vaultlessNumber(t, 16, i)
		token := must(f.AppendToken(nil, number))
		at := []int{0, 5, 12, 15}[i%4]
		token[at] = (token[at]-'0'+1)%10 + '0'
		back, err := f.AppendNumber(nil, token)
		if err == nil && bytes.Equal(back[6:12], number[6:12]) {
			wrong++
		}
	}
	require.LessOrEqual(t, wrong, 2)
}

func TestVaultlessRefuses(t *testing.T) {
	f := vaultless(t, vaultScope)
	for number, is := range map[string]error{
		pan14: ErrSmallDomain, "4911830000000": ErrSmallDomain, "": ErrSmallDomain,
		panNoLuhn: ErrFailsLuhn, "424242424242424x": ErrMalformed, pan19 + "0": ErrMalformed,
	} {
		for _, call := range []func() ([]byte, error){
			func() ([]byte, error) { return f.AppendToken([]byte("x"), []byte(number)) },
			func() ([]byte, error) { return nil, CheckVaultless([]byte(number)) },
		} {
			got, err := call()
			require.Nil(t, got)
			var typed *Error
			require.ErrorAs(t, err, &typed)
			require.Equal(t, FieldNumber, typed.Field)
			require.ErrorIs(t, err, is)
		}
	}
	for _, c := range []struct {
		numbers string
		length  int
		is      error
	}{
		{pan14, 14, ErrSmallDomain}, {pan16, 20, ErrMalformed}, {pan16 + "4", 16, ErrMalformed}, {pan16, 0, ErrSmallDomain},
		{pan16 + panNoLuhn, 16, ErrFailsLuhn}, {pan16 + "424242424242424x", 16, ErrMalformed},
	} {
		got, err := f.AppendTokens([]byte("x"), []byte(c.numbers), c.length)
		require.Nil(t, got)
		require.ErrorIs(t, err, c.is)
	}
	for _, token := range []string{"", pan16, "36006600003344", "424242424242424x", pan19 + "00", "42424242424242424"[:16] + "x"} {
		got, err := f.AppendNumber([]byte("x"), []byte(token))
		require.Nil(t, got)
		require.ErrorIs(t, err, ErrMalformed)
		require.False(t, Valid(FF1, token))
	}
	_, err := NewVaultless(make([]byte, 16), "e", "s")
	require.Error(t, err)
	_, err = NewVaultless(make([]byte, 32), "e", strings.Repeat("s", 65536))
	require.Error(t, err)
	require.Equal(t, "generate.Vaultless generate.Vaultless", fmt.Sprintf("%v %#v", f, f))
}

func TestVaultlessConcurrently(t *testing.T) {
	f := vaultless(t, vaultScope)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 300 {
				length := minVaultless + i%5
				number := vaultlessNumber(t, length, g*1000+i)
				token, err := f.AppendToken(nil, number)
				if err != nil || !bytes.Equal(number, must(f.AppendNumber(nil, token))) ||
					!bytes.Equal(token, must(f.AppendTokens(nil, number, length))) {
					t.Error("a wrong number or token")
				}
			}
		})
	}
	wg.Wait()
}
