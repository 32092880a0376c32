package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func codeFences(h *codes) {
	key := envelope.NewKeyID()
	c := h.code("a")
	c.Record = record(key)
	h.is(h.c.PutCodes(h.Context(), []store.Code{c}), store.ErrFenced, "PutCodes under a key without fence")
	h.absent(c.ID)
	for range 2 {
		h.noError(h.c.OpenFence(h.Context(), key), "OpenFence")
	}
	h.put(c)
	for range 2 {
		h.noError(h.c.CloseFence(h.Context(), key), "CloseFence")
	}
	h.noError(h.c.OpenFence(h.Context(), key), "OpenFence of a closed one")
	h.is(h.c.PutCodes(h.Context(), []store.Code{c}), store.ErrFenced, "PutCodes under a closed fence")
	// What is there stays of use.
	h.stored(c)
	h.tried(c.ID, 1, true, 1)
	// It can be moved to another key, and not back.
	moved := record(h.key)
	h.noError(h.c.ReplaceRecord(h.Context(), c, moved), "ReplaceRecord")
	back := c
	back.Record = moved
	h.is(h.c.ReplaceRecord(h.Context(), back, c.Record), store.ErrFenced, "ReplaceRecord under a closed fence")
	h.count(key, 0)
	h.count(h.key, 1)
	never := envelope.NewKeyID()
	h.noError(h.c.CloseFence(h.Context(), never), "CloseFence of one that never was")
	h.noError(h.c.OpenFence(h.Context(), never), "OpenFence")
	c.Record = record(never)
	h.is(h.c.PutCodes(h.Context(), []store.Code{c}), store.ErrFenced, "PutCodes")
}

// codeFenceRace: what is counted after CloseFence returned is all there will be.
func codeFenceRace(h *codes) {
	key := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), key), "OpenFence")
	const writers = 8
	var wg sync.WaitGroup
	var done atomic.Int64
	started := make(chan struct{}, writers)
	for g := range writers {
		moved := h.saved(fmt.Sprint("moved", g))
		wg.Go(func() {
			for i := 0; ; i++ {
				var err error
				if g%2 == 0 {
					c := h.code(fmt.Sprintf("g%d-%d", g, i))
					c.Record = record(key)
					err = h.c.PutCodes(h.Context(), []store.Code{c})
				} else { // move one there, and make another to be moved
					to := record(key)
					if err = h.c.ReplaceRecord(h.Context(), moved, to); err == nil {
						moved = h.code(fmt.Sprint("moved", g, i))
						err = h.c.PutCodes(h.Context(), []store.Code{moved})
					}
				}
				if i == 3 {
					started <- struct{}{}
				}
				if errors.Is(err, store.ErrFenced) {
					return
				}
				if err != nil {
					h.Errorf("writing: %v", err)
					return
				}
				done.Add(1)
			}
		})
	}
	<-started
	h.noError(h.c.CloseFence(h.Context(), key), "CloseFence")
	n, err := h.c.CountCodes(h.Context(), key)
	h.noError(err, "CountCodes")
	wg.Wait()
	if n != uint64(done.Load()) {
		h.Fatalf("%d codes at the census, %d in the end", n, done.Load())
	}
	h.count(key, n)
}
