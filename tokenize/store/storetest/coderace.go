package storetest

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/tokenize/store"
)

// codeCallers is how many call at once.
const codeCallers = 64

// atOnce runs f in as many goroutines.
func atOnce(n int, f func(g int)) {
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() { f(g) })
	}
	wg.Wait()
}

// codeReadRace: of all who read at once as many get the code as it allows.
func codeReadRace(h *codes) {
	c := h.code("a")
	c.Reads = 7
	h.put(c)
	var reads atomic.Int64
	atOnce(codeCallers, func(int) {
		switch got, err := h.c.ReadCode(h.Context(), c.ID, codeNow); {
		case err == nil && string(got.Record) == string(c.Record):
			reads.Add(1)
		case !errors.Is(err, store.ErrNotFound):
			h.Errorf("ReadCode: %v", err)
		}
	})
	if reads.Load() != 7 {
		h.Fatalf("%d of %d callers read a code that may be read 7 times", reads.Load(), codeCallers)
	}
	h.absent(c.ID)
	h.count(h.key, 0)
}

// codeWrongRace: all at once guess wrong. As many are compared as the limit says.
func codeWrongRace(h *codes) {
	c := h.saved("a")
	var taken, blocked atomic.Int64
	atOnce(codeCallers, func(int) {
		a, err := h.c.Attempt(h.Context(), c.ID, 1, tries, codeNow)
		switch {
		case err != nil:
			h.Errorf("Attempt: %v", err)
		case a.Result == store.TryTaken:
			taken.Add(1)
			if err := h.c.Settle(h.Context(), c.ID, a, false, tries); err != nil {
				h.Errorf("Settle: %v", err)
			}
		case a.Result == store.TryBlocked:
			blocked.Add(1)
		default:
			h.Errorf("result %d", a.Result)
		}
	})
	if taken.Load() != 3 || blocked.Load() != codeCallers-3 {
		h.Fatalf("%d were let through and %d blocked, want 3 and all others", taken.Load(), blocked.Load())
	}
	h.counters(c.ID, 3, store.TryCounter{ID: 1, Taken: 3, Blocked: true})
}

// codeCapRace: the cap holds over counters that are tried at once.
func codeCapRace(h *codes) {
	c := h.saved("a")
	l := store.TryLimits{Tries: 3, Guesses: 17}
	var taken atomic.Int64
	atOnce(codeCallers, func(g int) {
		a, err := h.c.Attempt(h.Context(), c.ID, uint16(g/2), l, codeNow)
		switch {
		case err != nil:
			h.Errorf("Attempt: %v", err)
		case a.Result == store.TryTaken:
			taken.Add(1)
		case a.Result != store.TryCapped:
			h.Errorf("result %d", a.Result)
		}
		if a.Code.Guesses > l.Guesses {
			h.Errorf("%d guesses, the cap is %d", a.Code.Guesses, l.Guesses)
		}
	})
	if taken.Load() != 17 {
		h.Fatalf("%d attempts were let through, the cap is 17", taken.Load())
	}
}

// codeTryRace: right and wrong ones at once. No number is given out twice, and each
// lies within the limit of some right one before it, or of the beginning.
func codeTryRace(h *codes) {
	// More callers than tries block the code by what is under way; fewer do not.
	for _, l := range []store.TryLimits{{Tries: 5, Guesses: 40}, {Tries: codeCallers + 6, Guesses: 100}} {
		h.tryRace(h.saved("a").ID, l)
	}
}

func (h *codes) tryRace(id store.CodeID, l store.TryLimits) {
	h.Helper()
	type try struct {
		number uint64
		right  bool
	}
	var mu sync.Mutex
	var all []try
	atOnce(codeCallers, func(g int) {
		for i := range 8 {
			a, err := h.c.Attempt(h.Context(), id, 1, l, codeNow)
			if err != nil {
				h.Errorf("Attempt: %v", err)
				return
			}
			if a.Code.Guesses > l.Guesses {
				h.Errorf("%d guesses, the cap is %d", a.Code.Guesses, l.Guesses)
			}
			if a.Result != store.TryTaken {
				continue
			}
			right := (g+i)%4 != 0
			mu.Lock()
			all = append(all, try{a.Number, right})
			mu.Unlock()
			if err := h.c.Settle(h.Context(), id, a, right, l); err != nil {
				h.Errorf("Settle: %v", err)
			}
		}
	})
	slices.SortFunc(all, func(a, b try) int { return cmp.Compare(a.number, b.number) })
	var base uint64
	var wrong uint32
	for i, a := range all {
		if a.number != uint64(i+1) {
			h.Fatalf("number %d was given out where %d is next", a.number, i+1)
		}
		if a.number-base > uint64(l.Tries) {
			h.Fatalf("number %d was let through, the last right one is %d", a.number, base)
		}
		if a.right {
			base = a.number
		} else {
			wrong++
		}
	}
	if len(all) < int(l.Tries) {
		h.Fatalf("%d attempts were let through, fewer than a counter allows", len(all))
	}
	got, err := h.c.Code(h.Context(), id, codeNow)
	h.noError(err, "Code")
	if len(got.Counters) != 1 || got.Counters[0].Taken != uint64(len(all)) || got.Counters[0].Base != base || got.Guesses != wrong {
		h.Fatalf("%d guesses, counters %+v after %d attempts, %d of them wrong, the last right one %d", got.Guesses, got.Counters, len(all), wrong, base)
	}
}

// codeResetRace: resets among attempts give back no guess and lose no number.
func codeResetRace(h *codes) {
	c := h.saved("a")
	l := store.TryLimits{Tries: 2, Guesses: 30}
	var taken atomic.Int64
	atOnce(codeCallers, func(g int) {
		for range 4 {
			if g%4 == 0 {
				if err := h.c.ResetTries(h.Context(), c.ID, []uint16{1}, true, tries, codeNow); err != nil {
					h.Errorf("ResetTries: %v", err)
				}
				continue
			}
			a, err := h.c.Attempt(h.Context(), c.ID, 1, l, codeNow)
			if err != nil {
				h.Errorf("Attempt: %v", err)
				return
			}
			if a.Result == store.TryTaken {
				taken.Add(1)
			}
		}
	})
	n := taken.Load()
	if n > 30 {
		h.Fatalf("%d attempts were let through, the cap is 30", n)
	}
	h.noError(h.c.ResetTries(h.Context(), c.ID, []uint16{1}, true, tries, codeNow), "ResetTries")
	h.counters(c.ID, uint32(n), store.TryCounter{ID: 1, Taken: uint64(n), Base: uint64(n)})
}

func codeReplaceRecord(h *codes) {
	c := h.saved("a")
	h.tried(c.ID, 1, false, 1, 2, 3)
	_, err := h.c.ReadCode(h.Context(), c.ID, codeNow)
	h.noError(err, "ReadCode")
	c.Reads--
	c.Guesses, c.Counters = 3, []store.TryCounter{{ID: 1, Taken: 3, Blocked: true}}
	to := record(h.key)
	h.noError(h.c.ReplaceRecord(h.Context(), c, to), "ReplaceRecord")
	old := c
	c.Record = to
	h.stored(c)
	h.is(h.c.ReplaceRecord(h.Context(), old, record(h.key)), store.ErrConflict, "ReplaceRecord of the record before")
	h.stored(c)
	// An expired one is there still, for whoever moves all to another key.
	expired := h.code("b")
	expired.Expires = 1
	h.put(expired)
	h.noError(h.c.ReplaceRecord(h.Context(), expired, to), "ReplaceRecord of an expired one")
	// Put again it is another code, though it has the same record.
	again := c
	again.RecordID, again.Guesses, again.Counters = expired.RecordID, 0, nil
	h.put(again)
	h.is(h.c.ReplaceRecord(h.Context(), c, record(h.key)), store.ErrConflict, "ReplaceRecord of the code before")
	h.noError(h.c.EraseCode(h.Context(), c.ID), "EraseCode")
	h.is(h.c.ReplaceRecord(h.Context(), again, record(h.key)), store.ErrConflict, "ReplaceRecord of an erased one")
	h.absent(c.ID)
}

// codeReplaceRecordRace: of all who replace one record, one does, and the attempts
// made meanwhile are all counted.
func codeReplaceRecordRace(h *codes) {
	c := h.saved("a")
	const rounds = 4
	for range rounds {
		records := make([][]byte, 16)
		var winner atomic.Int64
		winner.Store(-1)
		atOnce(2*len(records), func(g int) {
			if g >= len(records) {
				if _, err := h.c.Attempt(h.Context(), c.ID, 1, store.TryLimits{Tries: 1000, Guesses: 1000}, codeNow); err != nil {
					h.Errorf("Attempt: %v", err)
				}
				return
			}
			records[g] = record(h.key)
			switch err := h.c.ReplaceRecord(h.Context(), c, records[g]); {
			case err == nil && !winner.CompareAndSwap(-1, int64(g)):
				h.Errorf("two replaced one record")
			case err != nil && !errors.Is(err, store.ErrConflict):
				h.Errorf("ReplaceRecord: %v", err)
			}
		})
		if winner.Load() < 0 {
			h.Fatal("nobody replaced the record")
		}
		c.Record = records[winner.Load()]
		c.Guesses += 16
		c.Counters = []store.TryCounter{{ID: 1, Taken: uint64(c.Guesses)}}
		h.stored(c)
	}
	h.count(h.key, 1)
}
