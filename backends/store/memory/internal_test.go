package memory

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// TestTable fills and empties a table beside a map, with few hashes so that
// entries crowd and runs go around the end.
func TestTable(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	var table table
	want := map[slot]bool{}
	for step := range 20_000 {
		s := slot{hash: random.Uint32N(40) * 0xfffffff1, row: 1 + random.Uint32N(12)}
		if want[s] {
			table.remove(s.hash, s.row)
			delete(want, s)
		} else if step%3000 < 2000 || random.IntN(4) == 0 {
			table.add(s.hash, s.row)
			want[s] = true
		}
		if table.used != len(want) {
			t.Fatalf("step %d: %d entries, want %d", step, table.used, len(want))
		}
		if step%50 != 0 {
			continue
		}
		for h := range uint32(40) {
			hash := h * 0xfffffff1
			found := 0
			for row, at := table.next(hash, hash); row != 0; row, at = table.next(hash, at+1) {
				if !want[slot{hash, row}] {
					t.Fatalf("step %d: found an entry that was removed", step)
				}
				found++
			}
			for row := range uint32(13) {
				if want[slot{hash, row}] {
					found--
				}
			}
			if found != 0 {
				t.Fatalf("step %d: found %d entries more than there are", step, found)
			}
		}
	}
}

// TestSweep: what is remembered stays in proportion, and nothing is forgotten
// before its time and a day.
func TestSweep(t *testing.T) {
	db := New()
	n := 0
	fill := func(calls int, now int64) int {
		t.Helper()
		for range calls {
			n++
			w := []store.Write{{
				Row:  store.Row{Token: fmt.Sprint(n), Status: store.Active},
				Once: &store.Once{Key: [32]byte{byte(n), byte(n >> 8)}, Now: now, Until: now + 1000},
			}}
			if out, err := db.Cards().Write(t.Context(), w, nil); err != nil || out[0].Result != store.Written {
				t.Fatalf("Write: %v, %v", out, err)
			}
		}
		return len(db.scope(store.ScopeID{}, false).once)
	}
	if got := fill(3000, 0) + fill(3000, 1000+sweepMargin-1); got != 3000+6000 {
		t.Fatalf("%d calls remembered before their day is over, want all", got)
	}
	if got := fill(6000, 3*sweepMargin); got > 9000 {
		t.Fatalf("%d calls remembered, want about the last 6000", got)
	}
}

// TestSweepSpent: as TestSweep, of spent messages, with and without a write.
func TestSweepSpent(t *testing.T) {
	db := New()
	n := 0
	fill := func(messages int, now int64) int {
		t.Helper()
		for i := range messages {
			n++
			m := store.Spend{Digest: [32]byte{byte(n), byte(n >> 8)}, Now: now, Until: now + 1000}
			if i%2 == 0 {
				before, err := db.Cards().Spend(t.Context(), store.ScopeID{}, []store.Spend{m})
				if err != nil || before[0] {
					t.Fatalf("Spend: %v, %v", before, err)
				}
				continue
			}
			w := []store.Write{{Row: store.Row{Token: fmt.Sprint(n), Status: store.Active}, Spend: &m}}
			if out, err := db.Cards().Write(t.Context(), w, nil); err != nil || out[0].Result != store.Written {
				t.Fatalf("Write: %v, %v", out, err)
			}
		}
		return len(db.scope(store.ScopeID{}, false).spent)
	}
	if got := fill(3000, 0) + fill(3000, 1000+spentMargin-1); got != 3000+6000 {
		t.Fatalf("%d messages remembered before their hour is over, want all", got)
	}
	if got := fill(6000, 3*spentMargin); got > 9000 {
		t.Fatalf("%d messages remembered, want about the last 6000", got)
	}
}

// TestCloseFenceWaits: a write that may have seen the fence open is over before
// CloseFence returns.
func TestCloseFenceWaits(t *testing.T) {
	db := New()
	key := envelope.NewKeyID()
	s := db.scope(store.ScopeID{}, true)
	s.mu.Lock() // as a write under way holds it
	done := make(chan error, 1)
	go func() { done <- db.Cards().CloseFence(t.Context(), key) }()
	for range 1000 { // time for it to return, if it did not wait
		runtime.Gosched()
	}
	for (*db.fences.Load())[key] != fenceClosed {
		runtime.Gosched()
	}
	for range 1000 {
		runtime.Gosched()
	}
	select {
	case err := <-done:
		t.Fatalf("CloseFence returned (%v) while a write was under way", err)
	default:
	}
	s.mu.Unlock()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
