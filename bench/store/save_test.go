package store

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// db is a key store and a card store.
type db interface {
	Keys() keys.Store
	Cards() store.Cards
}

// saver saves new cards by the batch.
type saver struct {
	r      *tokenize.Repository
	digits [16]byte
}

func newSaver(b *testing.B, s db) *saver {
	m, err := keys.Open(b.Context(), s.Keys(), keystest.NewKEK("bench"), nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	v, err := tokenize.Open(b.Context(), s.Cards(), m, nil)
	if err != nil {
		b.Fatal(err)
	}
	f := &saver{}
	copy(f.digits[:], "4000000000000000")
	f.r, err = v.EnsureRepository(b.Context(), tokenize.Config{
		ID: "BENCH", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard,
	})
	if err != nil {
		b.Fatal(err)
	}
	return f
}

// save saves n new cards in one call.
func (f *saver) save(ctx context.Context, n int) error {
	teller := tokenize.Caller{Owner: "bench", Permissions: tokenize.MayAll}
	reqs := make([]tokenize.SaveRequest, n)
	for i := range reqs {
		for at := 14; ; at-- { // the next Luhn-valid number
			if f.digits[at]++; f.digits[at] <= '9' {
				break
			}
			f.digits[at] = '0'
		}
		f.digits[15], _ = card.CheckDigit(f.digits[:15])
		pan, err := card.ParsePAN(f.digits[:])
		if err != nil {
			return err
		}
		reqs[i] = tokenize.SaveRequest{Caller: teller, Card: card.Details{Number: pan}}
	}
	if n == 1 {
		_, err := f.r.Save(ctx, reqs[0])
		return err
	}
	_, err := f.r.SaveBatch(ctx, reqs)
	return err
}

// turns runs floors and ours one after the other b.N times, and reports medians:
// of times, and of ours over the first floor, turn by turn.
func turns(b *testing.B, n int, ours func() error, floors map[string]func() error) {
	names := make([]string, 0, len(floors))
	for name := range floors {
		names = append(names, name)
	}
	slices.Sort(names)
	times := map[string][]float64{}
	clock := func(name string, f func() error) float64 {
		start := time.Now()
		if err := f(); err != nil {
			b.Fatalf("%s: %v", name, err)
		}
		t := float64(time.Since(start).Nanoseconds()) / 1e3 / float64(n)
		times[name] = append(times[name], t)
		return t
	}
	for range 3 { // connections, statements, first pages
		if err := ours(); err != nil {
			b.Fatal(err)
		}
		for _, name := range names {
			if err := floors[name](); err != nil {
				b.Fatal(err)
			}
		}
	}
	for b.Loop() {
		best := 0.0
		for _, name := range names {
			if t := clock(name, floors[name]); best == 0 || t < best {
				best = t
			}
		}
		t := clock("ours", ours)
		times["ratio"] = append(times["ratio"], t/best)
	}
	for name, list := range times {
		slices.Sort(list)
		unit := name + "-µs/card"
		if name == "ratio" {
			unit = "ratio"
		}
		b.ReportMetric(list[len(list)/2], unit)
	}
	b.ReportMetric(0, "ns/op")
}
