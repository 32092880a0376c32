package card

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// naiveSum is the standard's text, digit by digit: no word of it is shared with the code
// under test.
func naiveSum(digits []byte, double bool) int {
	sum := 0
	for i := len(digits) - 1; i >= 0; i-- {
		d := int(digits[i] - '0')
		if double {
			d = []int{0, 2, 4, 6, 8, 1, 3, 5, 7, 9}[d]
		}
		double = !double
		sum += d
	}
	return sum
}

func TestLuhnAgainstReference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	passed := 0
	for n := 1; n <= 40; n++ {
		for range 2000 {
			d := make([]byte, n)
			for i := range d {
				d[i] = '0' + byte(rnd.IntN(10))
			}
			want := naiveSum(d, false)%10 == 0
			if Luhn(d) != want {
				t.Fatalf("length %d: Luhn differs from the reference", n)
			}
			if want {
				passed++
			}
			c, err := CheckDigit(d)
			if err != nil || c != byte('0'+(10-naiveSum(d, true)%10)%10) || !Luhn(append(d, c)) {
				t.Fatalf("length %d: the check digit differs from the reference", n)
			}
		}
	}
	require.Greater(t, passed, 6000)
}

// Every digit in every place, so that no lane is left out.
func TestLuhnEveryPlace(t *testing.T) {
	for n := 1; n <= 24; n++ {
		for at := range n {
			for v := byte('0'); v <= '9'; v++ {
				d := make([]byte, n)
				for i := range d {
					d[i] = '0'
				}
				d[at] = v
				require.Equal(t, naiveSum(d, false)%10 == 0, Luhn(d), "length %d, place %d", n, at)
				if n >= MinLen && n <= MaxLen {
					require.Equal(t, Luhn(d), mustPAN(t, string(d)).Luhn(), "length %d, place %d", n, at)
				}
			}
		}
	}
}

// A check digit of letters is a fault seen in another library; any byte that is no digit
// is refused, in any place.
func TestLuhnRefusesWhatIsNoDigit(t *testing.T) {
	for n := 1; n <= 24; n++ {
		for at := range n {
			for c := range 256 {
				if isDigit(byte(c)) {
					continue
				}
				d := make([]byte, n)
				for i := range d {
					d[i] = '0'
				}
				d[at] = byte(c)
				require.False(t, Luhn(d), "length %d, place %d, byte %#x", n, at, c)
				_, err := CheckDigit(d)
				if err == nil {
					t.Fatalf("check digit of length %d with byte %#x in place %d", n, c, at)
				}
			}
		}
	}
	require.False(t, Luhn(nil))
	_, err := CheckDigit(nil)
	requireError(t, err, FieldNumber, Invalid, ReasonDigitsOnly)
	_, err = CheckDigit([]byte("41111111111111I"))
	requireError(t, err, FieldNumber, Invalid, ReasonDigitsOnly)
}

// A valid fifteen-digit American Express number is refused by another library.
func TestLuhnOfFifteen(t *testing.T) {
	for _, s := range []string{"378282246310005", "371449635398431", "370000000000002"} {
		require.True(t, Luhn([]byte(s)), s)
		require.NoError(t, mustPAN(t, s).Check(nil), s)
	}
	require.False(t, Luhn([]byte("378282246310006")))
}
