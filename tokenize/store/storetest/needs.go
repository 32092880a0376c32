package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// repositoryNeedsFence: an update that needs a key whose fence is not open changes
// nothing.
func repositoryNeedsFence(h *harness) {
	r := h.updated(h.repository(), "one", 3)
	a, b := envelope.NewKeyID(), envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), a), "OpenFence")
	update := func(want error, needs ...envelope.KeyID) {
		h.Helper()
		to := r
		to.State, to.Epoch = []byte("two"), r.Epoch+1
		if err := h.c.UpdateRepository(h.Context(), to, needs...); !errors.Is(err, want) {
			h.Fatalf("UpdateRepository: %v, want %v", err, want)
		}
		if want == nil {
			to.Version++
			r = to
		}
		all, err := h.c.Repositories(h.Context())
		h.noError(err, "Repositories")
		h.sameRepository(all[0], r)
	}
	update(store.ErrFenced, b)
	update(store.ErrFenced, a, b)
	update(nil, a)
	update(nil, a, a)
	h.noError(h.c.CloseFence(h.Context(), a), "CloseFence")
	update(store.ErrFenced, a)
	h.noError(h.c.OpenFence(h.Context(), b), "OpenFence")
	update(store.ErrFenced, b, a)
	update(nil, b)
	// What it does not need may be closed; and the version comes first.
	update(nil)
	r.Version--
	old := r
	if err := h.c.UpdateRepository(h.Context(), old, a); !errors.Is(err, store.ErrConflict) {
		h.Fatalf("UpdateRepository: %v, want %v", err, store.ErrConflict)
	}
}

// repositoryFenceRace: once CloseFence returned no update commits that needs the key.
func repositoryFenceRace(h *harness) {
	const writers = 4
	key := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), key), "OpenFence")
	var wg sync.WaitGroup
	var done atomic.Int64
	started := make(chan struct{}, writers)
	for g := range writers {
		r, err := h.c.CreateRepository(h.Context(), store.Repository{Scope: newScope(), Name: fmt.Sprint("SHOP-", g)})
		h.noError(err, "CreateRepository")
		wg.Go(func() {
			for i := 0; ; i++ {
				r.Epoch += uint64(g % 2) // every other one waits for writes too
				switch err := h.c.UpdateRepository(h.Context(), r, key); {
				case errors.Is(err, store.ErrFenced):
					return
				case err != nil:
					h.Errorf("UpdateRepository: %v", err)
					return
				}
				done.Add(1)
				r.Version++
				if i == 3 {
					started <- struct{}{}
				}
			}
		})
	}
	<-started
	h.noError(h.c.CloseFence(h.Context(), key), "CloseFence")
	all, err := h.c.Repositories(h.Context())
	h.noError(err, "Repositories")
	wg.Wait()
	updates := int64(0)
	for _, r := range all {
		updates += int64(r.Version) - 1
	}
	if updates != done.Load() {
		h.Fatalf("%d updates once the fence was closed, %d in the end", updates, done.Load())
	}
}
