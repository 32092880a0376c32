package kms

import (
	"slices"
	"testing"
	"time"
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

func clock(b *testing.B, call func() error) float64 {
	start := time.Now()
	if err := call(); err != nil {
		b.Fatal(err)
	}
	return float64(time.Since(start).Nanoseconds())
}

func median(all []float64) float64 {
	slices.Sort(all)
	return all[len(all)/2]
}
