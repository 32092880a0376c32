package generate

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The halves of the word don't touch each other after the first step, so running
// through every value of each is exhaustive.
func TestDigits8(t *testing.T) {
	for i := range uint64(10000) {
		n := i*10000 + (9999 - i)
		got := string(binary.LittleEndian.AppendUint64(nil, digits8(n)|asciiZeros))
		require.Equal(t, fmt.Sprintf("%08d", n), got)
	}
}

func TestLuhnSums(t *testing.T) {
	for i := range uint64(20000) {
		a, b := Uint64n(1_0000_0000), i*4999 // b goes through all residues
		text := fmt.Sprintf("%08d%08d", a, b)
		require.Equal(t, slowLuhn(text), luhn16(digits8(a), digits8(b))%10 == 0)
		// A zero to the right makes the last of the eight a doubled digit.
		require.Equal(t, slowLuhn(text[:8]+"0"), luhnDoubledLast(digits8(a))%10 == 0)
	}
	nines := digits8(9999_9999)
	require.EqualValues(t, 16*9, luhn16(nines, nines), "lanes overflow")
	require.EqualValues(t, 8*9, luhnDoubledLast(nines), "lanes overflow")
	for sum := range uint64(200) {
		require.Zero(t, (sum+checkDigit(sum))%10)
		require.Less(t, checkDigit(sum), uint64(10))
	}
}

func TestFixedWidth(t *testing.T) {
	require.Equal(t, "a0042", string(appendFixed([]byte("a"), 42, 4)))
	require.Equal(t, "9999999999999999999", string(appendFixed(nil, 9999999999999999999, 19)))

	v, ok := parseFixed("0042", 4)
	require.True(t, ok)
	require.EqualValues(t, 42, v)
	for _, bad := range []string{"", "042", "00042", "00x2", "-042", " 042", "004/", "004:", "٠٠٤٢"} {
		_, ok := parseFixed(bad, 4)
		require.False(t, ok, "%q", bad)
	}
}

func TestIsDigits(t *testing.T) {
	for c := range 256 {
		s := string([]byte{'5', byte(c), '5'})
		want := strings.ContainsRune("0123456789", rune(c))
		require.Equal(t, want, isDigits(s))
		require.Equal(t, want, isDigits([]byte(s)))
	}
}
