package keystest

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cardseal/cardseal/keys"
)

func newKeyID() (id keys.KeyID) {
	rand.Read(id[:])
	return id
}

func storeConflict(h *storeHarness) {
	a, b := h.record(testRing, keys.Active), h.record(testRing, keys.Active)
	h.conflicts(1, a)
	h.missing(a.ID)
	h.swap(testRing, 0, a)
	for _, v := range []uint64{0, 2, 1<<64 - 1} {
		h.conflicts(v, b)
	}
	changed := a
	changed.State = keys.Destroyed
	h.conflicts(0, changed, b)
	h.lists(testRing, 1, a)
	h.got(a)
	h.missing(b.ID)
}

func (h *storeHarness) conflicts(version uint64, put ...keys.Record) {
	h.Helper()
	if err := h.s.CompareAndSwap(h.Context(), testRing, version, put); !errors.Is(err, keys.ErrConflict) {
		h.Fatalf("CompareAndSwap at version %d: %v, want ErrConflict", version, err)
	}
}

func storeRefused(h *storeHarness) {
	other := keys.RingID{Environment: "test", Purpose: keys.PAN}
	foreign := h.record(other, keys.Active)
	h.swap(other, 0, foreign)
	stolen := foreign
	stolen.Ring = testRing
	good, bad := h.record(testRing, keys.Active), h.record(testRing, keys.Active)
	with := func(change func(r *keys.Record)) keys.Record {
		r := bad
		change(&r)
		return r
	}
	for name, r := range map[string]keys.Record{
		"another ring":   with(func(r *keys.Record) { r.Ring = other }),
		"another scope":  with(func(r *keys.Record) { r.Ring.Scope = "s" }),
		"no ID":          with(func(r *keys.Record) { r.ID = keys.KeyID{} }),
		"no state":       with(func(r *keys.Record) { r.State = 0 }),
		"unknown state":  with(func(r *keys.Record) { r.State = keys.Destroyed + 1 }),
		"twice":          good,
		"a key of other": stolen,
	} {
		err := h.s.CompareAndSwap(h.Context(), testRing, 0, []keys.Record{good, r})
		if err == nil || errors.Is(err, keys.ErrConflict) {
			h.Errorf("%s: %v, want an error of its own", name, err)
		}
		h.missing(good.ID)
		h.lists(testRing, 0)
	}
	h.lists(other, 1, foreign)
	h.got(foreign)
}

func storeEmptyPut(h *storeHarness) {
	h.swap(testRing, 0)
	h.lists(testRing, 1)
	h.conflicts(0)
	h.swap(testRing, 1, []keys.Record{}...)
	h.lists(testRing, 2)
}

func storeNoAlias(h *storeHarness) {
	r := h.record(testRing, keys.Active)
	put := r
	put.Wrapped = nil
	for _, w := range r.Wrapped {
		w.Bytes = append([]byte(nil), w.Bytes...)
		put.Wrapped = append(put.Wrapped, w)
	}
	h.swap(testRing, 0, put)
	spoil := func(r keys.Record) {
		for _, w := range r.Wrapped {
			clear(w.Bytes)
			_ = append(w.Bytes, 0xee)
		}
		clear(r.Wrapped)
	}
	spoil(put)
	h.got(r)
	for range 2 {
		got, err := h.s.Get(h.Context(), r.ID)
		if err != nil {
			h.Fatalf("Get: %v", err)
		}
		spoil(got)
		list, _, err := h.s.List(h.Context(), testRing)
		if err != nil {
			h.Fatalf("List: %v", err)
		}
		spoil(list[0])
	}
	h.got(r)
	h.lists(testRing, 1, r)
}

func storeCancelled(h *storeHarness) {
	ctx, cancel := context.WithCancel(h.Context())
	cancel()
	h.failing(ctx, context.Canceled)
	h.lists(testRing, 0)
}

// storeSwapRace: of all who swap one version, one does.
func storeSwapRace(h *storeHarness) {
	const callers, rounds = 16, 8
	var all []keys.Record
	for v := range uint64(rounds) {
		records := make([]keys.Record, callers)
		for i := range records {
			records[i] = h.record(testRing, keys.Retired)
			records[i].Created = time.Unix(int64(v), 0).UTC()
		}
		errs := make([]error, callers)
		var wg sync.WaitGroup
		for i := range callers {
			wg.Go(func() { errs[i] = h.s.CompareAndSwap(h.Context(), testRing, v, records[i:i+1]) })
		}
		wg.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case !errors.Is(err, keys.ErrConflict):
				h.Fatalf("version %d: %v, want one success and else ErrConflict", v, err)
			default:
				h.missing(records[i].ID)
			}
		}
		if winner < 0 {
			h.Fatalf("version %d: nobody won", v)
		}
		all = append(all, records[winner])
		h.lists(testRing, v+1, all...)
	}
}

// storeSwapLoop: who reads, swaps and reads again at a conflict loses nothing.
func storeSwapLoop(h *storeHarness) {
	const callers, each = 8, 5
	var wg sync.WaitGroup
	records := make([][]keys.Record, callers)
	for i := range records {
		for range each {
			records[i] = append(records[i], h.record(testRing, keys.Retired))
		}
	}
	var swaps atomic.Int64
	for i := range callers {
		wg.Go(func() {
			for _, r := range records[i] {
				for {
					_, version, err := h.s.List(h.Context(), testRing)
					if err == nil {
						err = h.s.CompareAndSwap(h.Context(), testRing, version, []keys.Record{r})
					}
					if err == nil {
						swaps.Add(1)
						break
					}
					if !errors.Is(err, keys.ErrConflict) {
						h.Errorf("swap: %v", err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	list, version, err := h.s.List(h.Context(), testRing)
	if err != nil || version != callers*each || len(list) != callers*each || swaps.Load() != callers*each {
		h.Fatalf("%d records at version %d after %d swaps (%v), want %d of each", len(list), version, swaps.Load(), err, callers*each)
	}
	for _, mine := range records {
		for _, r := range mine {
			h.got(r)
		}
	}
}

// storeReaders: records that are put together are seen together, and the
// version that a list carries is theirs.
func storeReaders(h *storeHarness) {
	a, b := h.record(testRing, keys.Active), h.record(testRing, keys.Active)
	h.swapChanged(0, a, b)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				list, version, err := h.s.List(h.Context(), testRing)
				if err != nil || len(list) != 2 {
					h.Errorf("List: %v, %d records", err, len(list))
					return
				}
				if list[0].Changed != list[1].Changed || list[0].Changed.Unix() != int64(version) {
					h.Errorf("version %d with records changed at %d and %d", version, list[0].Changed.Unix(), list[1].Changed.Unix())
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for v := uint64(1); v < 30; v++ {
		h.swapChanged(v, a, b)
	}
	close(stop)
	wg.Wait()
}

// swapChanged marks the records with the version they make.
func (h *storeHarness) swapChanged(version uint64, put ...keys.Record) {
	h.Helper()
	for i := range put {
		put[i].Changed = time.Unix(int64(version+1), 0).UTC()
	}
	h.swap(testRing, version, put...)
}
