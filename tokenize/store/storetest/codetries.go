package storetest

import (
	"github.com/cardseal/cardseal/tokenize/store"
)

func codeReads(h *codes) {
	c := h.code("a")
	c.Reads = 3
	h.put(c)
	for want := range uint32(3) {
		got, err := h.c.ReadCode(h.Context(), c.ID, codeNow)
		h.noError(err, "ReadCode")
		c.Reads = 3 - want // as it was before
		h.sameCode(got, c)
		if want == 0 { // to look, or to try, is not to read
			h.stored(store.Code{ID: c.ID, RecordID: c.RecordID, Token: c.Token, Record: c.Record, Created: c.Created, Expires: c.Expires, Reads: 2})
			h.attempt(c.ID, 1, tries, store.TryTaken, 1)
			c.Guesses, c.Counters = 1, []store.TryCounter{{ID: 1, Taken: 1}}
		}
	}
	h.absent(c.ID)
	_, err := h.c.ReadCode(h.Context(), c.ID, codeNow)
	h.is(err, store.ErrNotFound, "ReadCode")
	if n := len(h.scanned(h.scope)); n != 0 {
		h.Fatalf("%d codes after the last read, want none", n)
	}

	often := h.code("b")
	often.Reads = 0
	h.put(often)
	for range 5 {
		got, err := h.c.ReadCode(h.Context(), often.ID, codeNow)
		h.noError(err, "ReadCode")
		h.sameCode(got, often)
	}
}

// codeTries is one counter's life: three wrong ones block it.
func codeTries(h *codes) {
	c := h.saved("a")
	h.counters(c.ID, 0)
	h.tried(c.ID, 1, false, 1, 2)
	h.counters(c.ID, 2, store.TryCounter{ID: 1, Taken: 2})
	h.tried(c.ID, 1, true, 3) // the third of three is let through, and right
	h.counters(c.ID, 2, store.TryCounter{ID: 1, Taken: 3, Base: 3})
	h.tried(c.ID, 1, false, 4, 5, 6) // three since
	blocked := store.TryCounter{ID: 1, Taken: 6, Base: 3, Blocked: true}
	h.counters(c.ID, 5, blocked)
	for range 3 {
		h.attempt(c.ID, 1, tries, store.TryBlocked, 0)
	}
	h.counters(c.ID, 5, blocked) // what is refused takes nothing
	// A wider limit does not open what is blocked.
	h.attempt(c.ID, 1, store.TryLimits{Tries: 100, Guesses: 100}, store.TryBlocked, 0)
	// A limit of one: one wrong attempt.
	one := h.saved("b")
	a := h.attempt(one.ID, 1, store.TryLimits{Tries: 1, Guesses: 1}, store.TryTaken, 1)
	h.noError(h.c.Settle(h.Context(), one.ID, a, false, store.TryLimits{Tries: 1, Guesses: 1}), "Settle")
	h.counters(one.ID, 1, store.TryCounter{ID: 1, Taken: 1, Blocked: true})

	// What a crash leaves unsettled counts as wrong; the refusal sets Blocked.
	crash := h.saved("c")
	for n := range uint64(3) {
		h.attempt(crash.ID, 1, tries, store.TryTaken, n+1)
	}
	h.counters(crash.ID, 3, store.TryCounter{ID: 1, Taken: 3})
	for _, first := range []bool{true, false} {
		if a := h.attempt(crash.ID, 1, tries, store.TryBlocked, 0); a.Blocks != first {
			h.Fatalf("a refused attempt says %v to whether it set Blocked", a.Blocks)
		}
	}
	h.counters(crash.ID, 3, store.TryCounter{ID: 1, Taken: 3, Blocked: true})
}

// codeTriesCapped: the cap is of the code, over all counters and all successes.
func codeTriesCapped(h *codes) {
	c := h.saved("a")
	l := store.TryLimits{Tries: 3, Guesses: 4}
	h.tried(c.ID, 1, false, 1, 2)
	h.tried(c.ID, 1, true, 3)
	h.tried(c.ID, 2, false, 1)
	last := h.attempt(c.ID, 2, l, store.TryTaken, 2)
	want := []store.TryCounter{{ID: 1, Taken: 3, Base: 3}, {ID: 2, Taken: 2}}
	h.attempt(c.ID, 2, l, store.TryCapped, 0)
	h.attempt(c.ID, 1, l, store.TryCapped, 0)
	h.attempt(c.ID, 3, l, store.TryCapped, 0) // and makes no counter
	h.counters(c.ID, 4, want...)
	h.settle(last, true) // gives its guess back
	want[1].Base = 2
	h.counters(c.ID, 3, want...)
	h.settle(h.attempt(c.ID, 2, l, store.TryTaken, 3), false)
	h.attempt(c.ID, 1, l, store.TryCapped, 0)
	h.noError(h.c.ResetTries(h.Context(), c.ID, []uint16{1, 2, 3}, true, tries, codeNow), "ResetTries")
	h.attempt(c.ID, 1, l, store.TryCapped, 0) // for as long as the code lives
	h.attempt(c.ID, 1, store.TryLimits{Tries: 3, Guesses: 5}, store.TryTaken, 4)
}

// codeTriesBoth: where the counter's limit and the cap are both reached it is
// blocked.
func codeTriesBoth(h *codes) {
	c := h.saved("a")
	for n := range uint64(3) {
		h.attempt(c.ID, 1, tries, store.TryTaken, n+1)
	}
	l := store.TryLimits{Tries: 3, Guesses: 3}
	h.attempt(c.ID, 1, l, store.TryBlocked, 0)
	h.counters(c.ID, 3, store.TryCounter{ID: 1, Taken: 3, Blocked: true})
	h.attempt(c.ID, 1, l, store.TryBlocked, 0)
	h.attempt(c.ID, 2, l, store.TryCapped, 0)
}

// codeCounters: each has its own numbers, and they come ascending.
func codeCounters(h *codes) {
	c := h.saved("a")
	for _, counter := range []uint16{217, 0, 65535, 103, 216} {
		h.tried(c.ID, counter, false, 1)
	}
	h.tried(c.ID, 103, true, 2)
	h.tried(c.ID, 216, false, 2, 3)
	h.counters(c.ID, 7,
		store.TryCounter{ID: 0, Taken: 1}, store.TryCounter{ID: 103, Taken: 2, Base: 2},
		store.TryCounter{ID: 216, Taken: 3, Blocked: true}, store.TryCounter{ID: 217, Taken: 1}, store.TryCounter{ID: 65535, Taken: 1})
	h.attempt(c.ID, 217, tries, store.TryTaken, 2)
}

// codeLateSettle settles in another order than the attempts were made in.
func codeLateSettle(h *codes) {
	c := h.saved("a")
	first := h.attempt(c.ID, 1, tries, store.TryTaken, 1)
	second := h.attempt(c.ID, 1, tries, store.TryTaken, 2)
	h.settle(second, true)
	h.settle(first, true) // late, and does not lower Base
	h.counters(c.ID, 0, store.TryCounter{ID: 1, Taken: 2, Base: 2})

	// A wrong one from before the last right one blocks nothing.
	third := h.attempt(c.ID, 1, tries, store.TryTaken, 3)
	h.tried(c.ID, 1, true, 4)
	h.settle(third, false)
	h.counters(c.ID, 1, store.TryCounter{ID: 1, Taken: 4, Base: 4})

	// A right one that comes after the block raises Base; Blocked stays.
	late := h.attempt(c.ID, 1, tries, store.TryTaken, 5)
	h.tried(c.ID, 1, false, 6, 7)
	h.counters(c.ID, 4, store.TryCounter{ID: 1, Taken: 7, Base: 4, Blocked: true})
	h.settle(late, true)
	h.counters(c.ID, 3, store.TryCounter{ID: 1, Taken: 7, Base: 5, Blocked: true})
	h.attempt(c.ID, 1, tries, store.TryBlocked, 0)
}

// codeSettleReplaced: an attempt at a code that is no more is of no account.
func codeSettleReplaced(h *codes) {
	for _, right := range []bool{true, false} {
		c := h.saved("a")
		l := store.TryLimits{Tries: 1, Guesses: 10}
		a := h.attempt(c.ID, 1, l, store.TryTaken, 1)
		again := h.code("a")
		again.ID = c.ID
		h.put(again)
		h.noError(h.c.Settle(h.Context(), c.ID, a, right, l), "Settle")
		h.stored(again)
		h.attempt(c.ID, 1, l, store.TryTaken, 1)
		h.noError(h.c.Settle(h.Context(), c.ID, a, right, l), "Settle")
		h.counters(c.ID, 1, store.TryCounter{ID: 1, Taken: 1})
		h.noError(h.c.EraseCode(h.Context(), c.ID), "EraseCode")
		h.noError(h.c.Settle(h.Context(), c.ID, a, right, l), "Settle")
		h.absent(c.ID)
	}
	// Another record of the same code is no replacement.
	c := h.saved("b")
	a := h.attempt(c.ID, 1, tries, store.TryTaken, 1)
	h.noError(h.c.ReplaceRecord(h.Context(), c, record(h.key)), "ReplaceRecord")
	h.settle(a, true)
	h.counters(c.ID, 0, store.TryCounter{ID: 1, Taken: 1, Base: 1})
}

func codeReset(h *codes) {
	c := h.saved("a")
	h.tried(c.ID, 1, false, 1, 2, 3)
	h.tried(c.ID, 2, false, 1)
	h.tried(c.ID, 3, false, 1, 2)
	reset := func(unblock bool, counters ...uint16) {
		h.Helper()
		h.noError(h.c.ResetTries(h.Context(), c.ID, counters, unblock, tries, codeNow), "ResetTries")
	}
	reset(true)
	reset(true, 9) // one that was never tried is not made
	h.counters(c.ID, 6, store.TryCounter{ID: 1, Taken: 3, Blocked: true}, store.TryCounter{ID: 2, Taken: 1}, store.TryCounter{ID: 3, Taken: 2})
	reset(false, 1, 2, 2)
	h.counters(c.ID, 6, store.TryCounter{ID: 1, Taken: 3, Blocked: true}, store.TryCounter{ID: 2, Taken: 1, Base: 1}, store.TryCounter{ID: 3, Taken: 2})
	h.attempt(c.ID, 1, tries, store.TryBlocked, 0)
	reset(true, 3, 1)
	h.counters(c.ID, 6, store.TryCounter{ID: 1, Taken: 3, Base: 3}, store.TryCounter{ID: 2, Taken: 1, Base: 1}, store.TryCounter{ID: 3, Taken: 2, Base: 2})
	late := h.attempt(c.ID, 1, tries, store.TryTaken, 4)
	reset(true, 1)
	h.settle(late, false) // from before the reset
	h.counters(c.ID, 7, store.TryCounter{ID: 1, Taken: 4, Base: 4}, store.TryCounter{ID: 2, Taken: 1, Base: 1}, store.TryCounter{ID: 3, Taken: 2, Base: 2})

	// Three attempts of which the last was never settled block, though Blocked is not set;
	// by a wider limit they do not.
	crash := h.saved("b")
	h.tried(crash.ID, 1, false, 1, 2)
	h.attempt(crash.ID, 1, tries, store.TryTaken, 3)
	for range 2 {
		h.noError(h.c.ResetTries(h.Context(), crash.ID, []uint16{1}, false, tries, codeNow), "ResetTries")
		h.counters(crash.ID, 3, store.TryCounter{ID: 1, Taken: 3})
	}
	wider := store.TryLimits{Tries: 4, Guesses: 100}
	h.noError(h.c.ResetTries(h.Context(), crash.ID, []uint16{1}, false, wider, codeNow), "ResetTries")
	h.counters(crash.ID, 3, store.TryCounter{ID: 1, Taken: 3, Base: 3})
	h.tried(crash.ID, 1, false, 4, 5)
	h.attempt(crash.ID, 1, tries, store.TryTaken, 6)
	h.noError(h.c.ResetTries(h.Context(), crash.ID, []uint16{1}, true, tries, codeNow), "ResetTries")
	h.counters(crash.ID, 6, store.TryCounter{ID: 1, Taken: 6, Base: 6})
}
