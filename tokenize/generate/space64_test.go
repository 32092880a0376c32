package generate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/stretchr/testify/require"
)

// The smallest space, token by token, against the definition.
func TestSpace64IsExactlyTheLuhnFailures(t *testing.T) {
	s := space(t, pan14)
	require.Equal(t, 14, s.Len())
	require.Equal(t, 4, s.MiddleLen())
	require.EqualValues(t, 9000, s.Size())
	k := uint64(0)
	for m := range 10_000 {
		middle := fmt.Sprintf("%04d", m)
		whole := pan14[:6] + middle + pan14[10:]
		rank, ok := s.Rank(middle)
		require.Equal(t, slowLuhn(whole), !ok, "middle %s", middle)
		if !ok {
			continue
		}
		require.Equal(t, k, rank)
		require.Equal(t, middle, s.Middle(k))
		require.Equal(t, whole, string(s.AppendToken(nil, k)))
		k++
	}
	require.Equal(t, s.Size(), k)
}

// Every length, and every sum that the kept digits can have.
func TestSpace64Lengths(t *testing.T) {
	size := uint64(900)
	for length := minPreserved; length <= maxPreserved; length++ {
		size *= 10
		for i := range 100 {
			first, last := fmt.Sprintf("%06d", 400000+i), fmt.Sprintf("%04d", 7*i)
			s, err := NewSpace64(first, last, length)
			require.NoError(t, err)
			require.Equal(t, size, s.Size())
			require.Equal(t, length-10, s.MiddleLen())
			for _, k := range []uint64{0, 1, 8, 9, size / 2, size - 9, size - 1, s.Draw(), s.Draw()} {
				token := string(s.AppendToken([]byte("x"), k)[1:])
				require.Len(t, token, length)
				require.False(t, slowLuhn(token))
				require.True(t, Valid(Preserve64, token))
				require.Equal(t, first+s.Middle(k)+last, token)
				back, ok := s.Rank(s.Middle(k))
				require.True(t, ok)
				require.Equal(t, k, back)
			}
			require.Less(t, s.Middle(size/3), s.Middle(size/3+1))
		}
	}
}

func TestSpace64OfAndNewAgree(t *testing.T) {
	for _, pan := range []string{pan14, pan15, pan16, pan19} {
		s, err := NewSpace64(pan[:6], pan[len(pan)-4:], len(pan))
		require.NoError(t, err)
		require.Equal(t, space(t, pan), s)
		_, ok := s.Rank(pan[6 : len(pan)-4])
		require.False(t, ok, "a card number is in its own space")
	}
}

func TestSpace64Refuses(t *testing.T) {
	for _, c := range []struct {
		digits string
		want   error
	}{
		{"", ErrTooShort},
		{"4917610000000", ErrTooShort},
		{panNoLuhn, ErrFailsLuhn},
		{"4242 4242 4242 4242", ErrMalformed},
		{"424242424242424x", ErrMalformed},
		{"x", ErrMalformed},
		{strings.Repeat("0", 20), ErrMalformed},
	} {
		_, err := Space64Of([]byte(c.digits))
		requireRefused(t, err, FieldNumber, c.want, c.digits)
		out, err := AppendPreserve64([]byte("dst"), []byte(c.digits))
		requireRefused(t, err, FieldNumber, c.want, c.digits)
		require.Nil(t, out, "nothing is returned on error")
	}
	for _, c := range []struct {
		first, last string
		length      int
		want        error
	}{
		{"42424", "4242", 16, ErrMalformed},
		{"4242424", "4242", 16, ErrMalformed},
		{"424242", "424", 16, ErrMalformed},
		{"42424x", "4242", 16, ErrMalformed},
		{"424242", "42-2", 16, ErrMalformed},
		{"424242", "4242", 20, ErrMalformed},
		{"424242", "4242", 13, ErrTooShort},
		{"424242", "4242", -1, ErrTooShort},
	} {
		s, err := NewSpace64(c.first, c.last, c.length)
		requireRefused(t, err, FieldNumber, c.want, c.first)
		require.Zero(t, s)
	}
}

// requireRefused checks kind, field and that the message quotes nothing.
func requireRefused(t *testing.T, err error, field string, kind error, value string) {
	t.Helper()
	require.ErrorIs(t, err, kind)
	var typed *Error
	require.ErrorAs(t, err, &typed)
	require.Equal(t, field, typed.Field)
	require.Contains(t, err.Error(), field)
	if len(value) > 2 {
		require.NotContains(t, err.Error(), value)
	}
}

func TestSpace64ZeroValue(t *testing.T) {
	var s Space64
	require.Zero(t, s.Size())
	require.Zero(t, s.Len())
	require.Zero(t, s.MiddleLen())
	require.Empty(t, s.OrderPrefix())
	for _, m := range []string{"", "0", "0000"} {
		_, ok := s.Rank(m)
		require.False(t, ok)
	}
	require.Panics(t, func() { s.Draw() })
	require.Panics(t, func() { s.Middle(0) })
	_, err := s.DrawFree(yieldAll(nil))
	require.ErrorIs(t, err, ErrExhausted)
}

func TestSpace64OutOfRange(t *testing.T) {
	s := space(t, pan14)
	const message = "generate: index outside a Space64"
	require.PanicsWithValue(t, message, func() { s.Middle(9000) })
	require.PanicsWithValue(t, message, func() { s.AppendToken(nil, 1<<63) })
	for _, m := range []string{"", "000", "00000", "12x4", "+123", "-001"} {
		_, ok := s.Rank(m)
		require.False(t, ok, m)
	}
}

func TestPreserve64Tokens(t *testing.T) {
	for _, pan := range []string{pan14, pan15, pan16, pan19} {
		for range 2000 {
			b, err := AppendPreserve64(nil, []byte(pan))
			require.NoError(t, err)
			token := string(b)
			require.Len(t, token, len(pan))
			require.Equal(t, pan[:6], token[:6])
			require.Equal(t, pan[len(pan)-4:], token[len(token)-4:])
			require.NotEqual(t, pan, token)
			require.False(t, slowLuhn(token))
			require.False(t, card.Luhn(b))
			require.True(t, Valid(Preserve64, token))
		}
		require.False(t, Valid(Preserve64, pan))
	}
}

func TestPreserve64IsUniform(t *testing.T) {
	s := space(t, pan14)
	counts := make([]int, s.Size())
	for range 30 * len(counts) {
		b, err := AppendPreserve64(nil, []byte(pan14))
		require.NoError(t, err)
		k, ok := s.Rank(string(b[6:10]))
		require.True(t, ok)
		counts[k]++
	}
	requireUniform(t, counts, "middle")
	require.NotContains(t, counts, 0, "a token is never drawn") // by chance once in 10^9 runs
}

// dst may lie in the very array that holds the number.
func TestPreserve64Overlap(t *testing.T) {
	for offset := range 16 {
		array := make([]byte, 64)
		digits := array[:16]
		copy(digits, pan16)
		b, err := AppendPreserve64(array[offset:offset], digits)
		require.NoError(t, err)
		require.Equal(t, pan16[:6], string(b[:6]))
		require.Equal(t, pan16[12:], string(b[12:]))
		require.True(t, Valid(Preserve64, string(b)))
	}
}
