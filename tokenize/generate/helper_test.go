package generate

import (
	"iter"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// Published test cards, by length.
const (
	pan14 = "36227206271667"
	pan15 = "378282246310005"
	pan16 = "4242424242424242"
	pan19 = "6205500000000000004"
	// Some UnionPay cards fail Luhn; this is a published one with another last digit.
	panNoLuhn = "6200000000000046"
)

// requireUniform fails if counts could hardly come from equally likely cells. The
// bounds, by Wilson and Hilferty's approximation to chi squared, lie 6.2 standard
// deviations out on either side: a sound generator fails once in two thousand
// million runs. Too even a spread fails as well, since chance does not count off.
func requireUniform(t *testing.T, counts []int, what string) {
	t.Helper()
	n := 0
	for _, c := range counts {
		n += c
	}
	expected := float64(n) / float64(len(counts))
	require.GreaterOrEqual(t, expected, 20.0, "%s: too few draws for the test to mean anything", what)
	chi := 0.0
	for _, c := range counts {
		d := float64(c) - expected
		chi += d * d / expected
	}
	const z = 6.2
	df := float64(len(counts) - 1)
	bound := func(z float64) float64 {
		x := 1 - 2/(9*df) + z*math.Sqrt(2/(9*df))
		return df * math.Pow(max(x, 0), 3)
	}
	require.Less(t, chi, bound(z), "%s: uneven", what)
	require.GreaterOrEqual(t, chi, bound(-z), "%s: more even than chance", what)
}

// slowLuhn is the definition, digit by digit.
func slowLuhn(digits string) bool {
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			d *= 2
			if d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}

func space(t testing.TB, pan string) Space64 {
	t.Helper()
	s, err := Space64Of([]byte(pan))
	require.NoError(t, err)
	return s
}

// yieldAll yields texts, then err if there is one.
func yieldAll(err error, texts ...string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for _, s := range texts {
			if !yield(s, nil) {
				return
			}
		}
		if err != nil {
			yield("", err)
		}
	}
}
