package storetest

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func fenced(key envelope.KeyID) store.Outcome {
	return store.Outcome{Result: store.Fenced, Key: key}
}

// under is a row with a sealed value under each key.
func (h *harness) under(token string, keys ...envelope.KeyID) store.Row {
	r := h.plainRow(token)
	for i, key := range keys {
		r.Sealed = append(r.Sealed, store.Sealed{Field: byte(i + 1), Record: record(key)})
	}
	return r
}

func fenceMissing(h *harness) {
	key := envelope.NewKeyID()
	h.write(writes(h.under("a", key)), fenced(key))
	h.write(writes(h.under("a", h.key, key)), fenced(key))
	h.write(writes(h.under("a", h.key), h.under("b", key)), written, fenced(key))
	h.absent("a", "b")
	h.count(key, 0)
	for range 2 {
		h.noError(h.c.OpenFence(h.Context(), key), "OpenFence")
	}
	h.save(h.under("a", h.key, key))
	h.count(key, 1)
	// A row without sealed values needs no fence; an index key has none.
	h.save(h.cardRow("c", digest()))
}

func fenceClosed(h *harness) {
	key := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), key), "OpenFence")
	r := h.under("a", h.key, key)
	h.save(r)
	for range 2 {
		h.noError(h.c.CloseFence(h.Context(), key), "CloseFence")
	}
	h.write(writes(h.under("b", key)), fenced(key))
	// The row is there, and cannot be written again with that record in it.
	h.write(writes(next(r, 1)), fenced(key))
	h.stored(r, 1)
	h.count(key, 1)
	// Moved to another key it can.
	moved := h.under("a", h.key, h.key)
	h.save(next(moved, 1))
	h.count(key, 0)
	// Other keys' fences stay as they were.
	h.save(h.under("c", h.key))
}

func fenceClosedStays(h *harness) {
	key := envelope.NewKeyID()
	h.noError(h.c.CloseFence(h.Context(), key), "CloseFence of a key without fence")
	h.noError(h.c.OpenFence(h.Context(), key), "OpenFence of a closed fence")
	h.write(writes(h.under("a", key)), fenced(key))
}

func fenceTombstone(h *harness) {
	key := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), key), "OpenFence")
	r, s := h.under("a", key), h.under("b", key)
	h.save(r, s)
	h.noError(h.c.CloseFence(h.Context(), key), "CloseFence")
	h.write([]store.Write{h.deleted("a", 1)}, written)
	// Even one that still holds what it will not keep.
	s.Version, s.Status = 1, store.Deleted
	h.write(writes(s), written)
	h.count(key, 0)
}

// fenceRace: what CountByKey finds after CloseFence returned is what it finds
// once every writer has given up.
func fenceRace(h *harness) {
	key := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), key), "OpenFence")
	const writers = 8
	var wg sync.WaitGroup
	var done atomic.Int64
	started := make(chan struct{}, writers)
	for g := range writers {
		wg.Go(func() {
			scope := newScope()
			for i := 0; ; i++ {
				r := h.under(fmt.Sprintf("g%d-%d", g, i), key)
				if g%2 == 0 {
					r.Scope = scope // one the store did not know when the fence closed
				}
				out, err := h.c.Write(h.Context(), writes(r), nil)
				if i == 3 {
					started <- struct{}{}
				}
				switch {
				case err != nil || len(out) != 1:
					h.Errorf("Write: %v, %d outcomes", err, len(out))
					return
				case out[0] == fenced(key):
					return
				case out[0] != written:
					h.Errorf("outcome %s", show(out))
					return
				}
				done.Add(1)
			}
		})
	}
	<-started
	h.noError(h.c.CloseFence(h.Context(), key), "CloseFence")
	n, err := h.c.CountByKey(h.Context(), key)
	h.noError(err, "CountByKey")
	wg.Wait()
	if n != uint64(done.Load()) {
		h.Fatalf("%d rows at the census, %d rows in the end", n, done.Load())
	}
	h.count(key, n)
}

func countByKey(h *harness) {
	other := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), other), "OpenFence")
	h.count(other, 0)
	a, b := h.under("a", h.key, other, h.key), h.under("b", other)
	b.Scope = newScope()
	h.save(a, b)
	h.count(h.key, 2)
	h.count(other, 2)
	h.save(next(h.under("a", other), 1))
	h.count(h.key, 0)
	h.count(other, 2)
	h.count(envelope.NewKeyID(), 0)
}
