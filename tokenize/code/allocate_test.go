package code_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
)

const draws = 200_000

// uneven says in which way counts are not alike as those of a uniform draw are: their
// chi-squared statistic is what one in a hundred billion would exceed (Wilson and
// Hilferty's n(1 - 2/9n + 6.7 sqrt(2/9n))^3 on n degrees of freedom), or one count lies
// eight standard deviations off, as one of a thousand does in no more than one of ten
// billion tests.
func uneven(counts []int) string {
	n := float64(len(counts) - 1)
	want, chi := draws/float64(len(counts)), 0.0
	for i, c := range counts {
		off := (float64(c) - want) * (float64(c) - want) / want
		if chi += off; off > 64 {
			return fmt.Sprint(i, " was drawn ", c, " times")
		}
	}
	if bound := n * math.Pow(1-2/(9*n)+6.7*math.Sqrt(2/(9*n)), 3); chi > bound {
		return fmt.Sprint("chi-squared is ", chi)
	}
	return ""
}

// count draws codes of three digits and counts each, as the test sees them.
func count(t *testing.T, draw func() card.CVC) []int {
	counts := make([]int, 1000)
	for range draws {
		n, err := strconv.Atoi(string(draw().AppendDigits(nil)))
		require.NoError(t, err)
		counts[n]++
	}
	return counts
}

func drawn(t *testing.T, old int) func() card.CVC {
	return func() card.CVC {
		c, err := code.Drawn(3, old)
		require.NoError(t, err)
		return c
	}
}

// Every code is drawn as often as every other, leading zeros included, and where one is
// replaced every other but that.
func TestDrawsAreUniform(t *testing.T) {
	require.Empty(t, uneven(count(t, drawn(t, -1))))
	for _, old := range []int{0, 500, 999} {
		counts := count(t, drawn(t, old))
		require.Zero(t, counts[old])
		require.Empty(t, uneven(append(counts[:old:old], counts[old+1:]...)))
	}
}

// The same test fails a draw with modulo bias, one that moves on from the code it
// replaces, and one that never has a leading zero. These draws are the same each time.
func TestUniformityTestFinds(t *testing.T) {
	number := rand.New(rand.NewPCG(1, 2)).Uint32
	made := func(n uint32) card.CVC {
		return cvc(t, strconv.Itoa(1000 + int(n))[1:])
	}
	require.NotEmpty(t, uneven(count(t, func() card.CVC { return made(number() >> 20 % 1000) })), "12 bits, modulo")
	counts := count(t, func() card.CVC {
		n := number() % 1000
		if n == 500 {
			n++
		}
		return made(n)
	})
	require.NotEmpty(t, uneven(append(counts[:500:500], counts[501:]...)), "moved on")
	require.NotEmpty(t, uneven(count(t, func() card.CVC { return made(100 + number()%900) })), "no leading zero")
}

// Draws keep to their range, for ranges of every kind.
func TestBelow(t *testing.T) {
	for _, n := range []uint32{1, 2, 3, 999, 1000, 9999, 10_000, 1 << 31, 1<<31 + 1} {
		for range 1000 {
			v := code.Below(n)
			require.GreaterOrEqual(t, v, 0)
			require.Less(t, v, int(n))
		}
	}
	// Of a range that divides what is drawn badly no part comes more often.
	const n, third = 3 << 30, 1 << 30
	low := 0
	for range draws {
		if code.Below(n) < third {
			low++
		}
	}
	require.InDelta(t, draws/3, low, 2000) // nine standard deviations
	four := map[int]int{}
	for range 1000 {
		c, err := code.Drawn(4, 9999)
		require.NoError(t, err)
		four[c.Len()]++
		require.NotEqual(t, "9999", string(c.AppendDigits(nil)))
	}
	require.Equal(t, map[int]int{4: 1000}, four)
}
