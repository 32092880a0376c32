package kms

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// turns has both sides run in turns for b.N rounds and reports the medians. A
// shared machine changes speed from one moment to the next; turns share it.
func turns(b *testing.B, bare, ours func() error) {
	var floors, times, ratios []float64
	for _, call := range []func() error{bare, ours} { // connections, and first-time costs
		if err := call(); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		f, t := clock(b, bare), clock(b, ours)
		floors, times, ratios = append(floors, f), append(times, t), append(ratios, t/f)
	}
	b.ReportMetric(median(floors)/1e3, "bare-µs")
	b.ReportMetric(median(times)/1e3, "ours-µs")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(0, "ns/op") // of both together: says nothing
}

// clock times a call that succeeds. LocalStack closes the connection after each
// answer, upon which one call in thousands fails: the vendor's client and
// keys.Manager would try it again.
func clock(b *testing.B, call func() error) float64 {
	for try := 0; ; try++ {
		start := time.Now()
		err := call()
		if err == nil {
			return float64(time.Since(start).Nanoseconds())
		}
		if try == 3 || !errors.Is(err, keys.ErrUnavailable) {
			b.Fatal(err)
		}
	}
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
