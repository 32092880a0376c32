package code_test

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/card"
)

// How comparisons are measured. A timer that counts tens of nanoseconds cannot see one:
// a sample is many of the same two codes.
const (
	timingSamples = 100_000 // of each kind of candidate
	timingBatch   = 100     // comparisons in one
	timingCrop    = 0.95    // of the samples are looked at: what took longer was interrupted
	timingTries   = 3
	// timingBound is what |t| of Welch's test must stay below, as in ISO/IEC 17825 and
	// TVLA: beyond it two means are the same with a chance of less than 1 in 100,000.
	timingBound = 4.5
)

// candidates are the kinds of candidates whose times are held against each other, for
// a code of three digits.
var candidates = []struct {
	name string
	of   func(code []byte) []byte
}{
	{"right", func(code []byte) []byte { return code }},
	{"first digit wrong", func(code []byte) []byte { return []byte{otherDigit(code[0]), code[1], code[2]} }},
	{"last digit wrong", func(code []byte) []byte { return []byte{code[0], code[1], otherDigit(code[2])} }},
	{"another length", func(code []byte) []byte { return append(bytes.Clone(code), randomDigit()) }},
}

func randomDigit() byte        { return '0' + byte(rand.IntN(10)) }
func otherDigit(d byte) byte   { return '0' + (d-'0'+1+byte(rand.IntN(9)))%10 }
func equal(a, b card.CVC) bool { return a.Equal(b) } // is what Verify compares with

// earlyExit is what nobody should compare with.
func earlyExit(a, b card.CVC) bool {
	var x, y [4]byte
	p, q := a.AppendDigits(x[:0]), b.AppendDigits(y[:0])
	if len(p) != len(q) {
		return false
	}
	for i := range p {
		if p[i] != q[i] {
			return false
		}
	}
	return true
}

var timingSink bool

// measure times comparisons of random codes, all kinds of candidates in random order,
// so that whatever else the machine does happens to all of them alike. It returns the
// largest |t| of any two kinds, and of which.
func measure(t *testing.T, compare func(a, b card.CVC) bool) (worst float64, of string) {
	t.Helper()
	type pair struct {
		code, candidate card.CVC
		kind            int
	}
	pairs := make([]pair, timingSamples*len(candidates)) // made ahead, for making them takes its time too
	for i := range pairs {
		digits, kind := []byte{randomDigit(), randomDigit(), randomDigit()}, rand.IntN(len(candidates))
		pairs[i] = pair{cvc(t, string(digits)), cvc(t, string(candidates[kind].of(digits))), kind}
	}
	all := make([]float64, len(pairs))
	for i := range pairs {
		p := &pairs[i]
		began := time.Now()
		for range timingBatch {
			timingSink = compare(p.code, p.candidate)
		}
		all[i] = float64(time.Since(began))
	}
	times := make([][]float64, len(candidates))
	for i, took := range all {
		times[pairs[i].kind] = append(times[pairs[i].kind], took)
	}
	slices.Sort(all)
	crop := all[int(timingCrop*float64(len(all)))]
	for i := range times {
		for j := range i {
			if x := math.Abs(welch(below(times[i], crop), below(times[j], crop))); x > worst {
				worst, of = x, fmt.Sprintf("%s and %s", candidates[j].name, candidates[i].name)
			}
		}
	}
	return worst, of
}

func below(times []float64, crop float64) (kept []float64) {
	for _, x := range times {
		if x <= crop {
			kept = append(kept, x)
		}
	}
	return kept
}

// welch is the t of Welch's test of two samples.
func welch(a, b []float64) float64 {
	ma, va := moments(a)
	mb, vb := moments(b)
	return (ma - mb) / math.Sqrt(va/float64(len(a))+vb/float64(len(b)))
}

// moments are the mean of a sample and its variance.
func moments(x []float64) (mean, variance float64) {
	for _, x := range x {
		mean += x
	}
	mean /= float64(len(x))
	for _, x := range x {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / float64(len(x)-1)
}

// The time of a comparison tells nothing of the code: not whether the candidate is
// right, nor how many of its digits are. What happens on the machine happens to all
// kinds alike, however much it is, so that this does not fail for noise and runs with
// all other tests; one in 25,000 measurements would fail by chance, and so a few may be
// made. A comparison that leaks fails all: -v shows how far it is from the bound.
func TestComparisonTime(t *testing.T) {
	worst, of := measure(t, earlyExit)
	t.Logf("leaky control: |t| = %.0f, %s", worst, of)
	require.Greater(t, worst, timingBound, "a comparison that leaks is not seen")
	for range timingTries {
		worst, of = measure(t, equal)
		t.Logf("|t| = %.2f, %s", worst, of)
		if worst < timingBound {
			return
		}
	}
	t.Fatalf("the time of a comparison depends on the code in all of %d measurements", timingTries)
}
