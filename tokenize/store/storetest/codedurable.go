package storetest

import (
	"testing"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// RunCodesDurable tries a store of codes that outlives its process. create makes an
// empty one and returns a function that opens it; each call of that function closes
// what the one before it opened.
func RunCodesDurable(t *testing.T, create func(t *testing.T) (reopen func() store.Codes)) {
	reopen := create(t)
	h := newCodes(t, reopen())
	a, b, gone, last, expired := h.code("a"), h.code("b"), h.code("gone"), h.code("last"), h.code("expired")
	b.Expires, b.Reads, last.Reads, expired.Expires = 0, 0, 1, codeNow
	h.put(a, b, gone, last, expired)
	h.tried(a.ID, 1, false, 1, 2, 3)
	h.tried(a.ID, 2, true, 1)
	open := h.attempt(a.ID, 2, tries, store.TryTaken, 2)
	_, err := h.c.ReadCode(t.Context(), last.ID, codeNow)
	h.noError(err, "ReadCode")
	h.noError(h.c.EraseCode(t.Context(), gone.ID), "EraseCode")
	to := record(h.key)
	h.noError(h.c.ReplaceRecord(t.Context(), b, to), "ReplaceRecord")
	b.Record = to
	closed := envelope.NewKeyID()
	h.noError(h.c.CloseFence(t.Context(), closed), "CloseFence")
	a.Guesses = 4
	a.Counters = []store.TryCounter{{ID: 1, Taken: 3, Blocked: true}, {ID: 2, Taken: 2, Base: 1}}
	for range 2 {
		h.c = reopen()
		h.stored(a)
		h.stored(b)
		h.absent(gone.ID, last.ID, expired.ID)
		h.count(h.key, 3)
		h.attempt(a.ID, 1, tries, store.TryBlocked, 0)
		fenced := h.code("x")
		fenced.Record = record(closed)
		h.is(h.c.PutCodes(t.Context(), []store.Code{fenced}), store.ErrFenced, "PutCodes")
		if n := len(h.scanned(store.ScopeID{})); n != 3 {
			t.Fatalf("%d codes, want 3", n)
		}
	}
	h.settle(open, true)
	a.Guesses, a.Counters[1].Base = 3, 2
	h.c = reopen()
	h.stored(a)
	h.sweep(codeNow, 10, 1)
	h.noError(h.c.EraseToken(t.Context(), h.scope, a.Token), "EraseToken")
	h.c = reopen()
	h.absent(a.ID)
	h.stored(b)
	h.count(h.key, 1)
}
