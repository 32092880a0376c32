package storetest

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/tokenize/store"
)

var outdated = store.Outcome{Result: store.Outdated}

// repository makes a repository over the harness's scope.
func (h *harness) repository() store.Repository {
	h.Helper()
	r, err := h.c.CreateRepository(h.Context(), store.Repository{Scope: h.scope, Name: "SHOP", Config: []byte("config")})
	h.noError(err, "CreateRepository")
	return r
}

// updated replaces state and epoch of r, which has its stored version.
func (h *harness) updated(r store.Repository, state string, epoch uint64) store.Repository {
	h.Helper()
	r.State, r.Epoch = []byte(state), epoch
	h.noError(h.c.UpdateRepository(h.Context(), r), "UpdateRepository")
	r.Version++
	all, err := h.c.Repositories(h.Context())
	h.noError(err, "Repositories")
	if len(all) != 1 {
		h.Fatalf("%d repositories, want 1", len(all))
	}
	h.sameRepository(all[0], r)
	return r
}

func repositoryUpdates(h *harness) {
	r := h.repository()
	r = h.updated(r, "one", 0)
	r = h.updated(r, "", 5)
	r = h.updated(r, "three", 5)
	refused := func(change func(*store.Repository), want error) {
		h.Helper()
		bad := r
		bad.State = []byte("refused")
		change(&bad)
		err := h.c.UpdateRepository(h.Context(), bad)
		if want != nil && !errors.Is(err, want) || err == nil {
			h.Fatalf("UpdateRepository: %v, want %v", err, want)
		}
	}
	refused(func(r *store.Repository) { r.Version-- }, store.ErrConflict)
	refused(func(r *store.Repository) { r.Version++ }, store.ErrConflict)
	refused(func(r *store.Repository) { r.Epoch-- }, nil)
	refused(func(r *store.Repository) { r.Scope = newScope() }, store.ErrNotFound)
	// Name and configuration are what they were, whatever is handed over.
	other := r
	other.Name, other.Config = "OTHER", []byte("other")
	h.noError(h.c.UpdateRepository(h.Context(), other), "UpdateRepository")
	r.Version++
	h.updated(r, "last", 6)
}

// repositoryUpdateRace: of all who replace one version, one does.
func repositoryUpdateRace(h *harness) {
	r := h.repository()
	var wg sync.WaitGroup
	var won atomic.Int64
	for i := range 16 {
		wg.Go(func() {
			mine := r
			mine.State = fmt.Append(nil, i)
			switch err := h.c.UpdateRepository(h.Context(), mine); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, store.ErrConflict):
				h.Errorf("UpdateRepository: %v", err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		h.Fatalf("%d callers replaced one version", won.Load())
	}
}

func epoch(h *harness) {
	at := func(row store.Row, epoch uint64) store.Write { return store.Write{Row: row, Epoch: epoch} }
	// A scope without repository has epoch 0.
	h.write([]store.Write{at(h.row("a"), 1)}, outdated)
	h.save(h.row("a"))
	r := h.repository()
	h.save(h.row("b"))
	r = h.updated(r, "", 2)
	h.write(writes(h.row("c")), outdated)
	h.write([]store.Write{at(h.row("c"), 1), at(h.row("d"), 2)}, outdated, written)
	h.write([]store.Write{at(h.row("c"), 3)}, outdated)
	h.absent("c", "d")
	// It comes before everything else that could be said.
	once := &store.Once{Key: digest(), Input: digest(), Now: 1, Until: 1000}
	h.write([]store.Write{{Row: h.row("c"), Once: once, Epoch: 2}}, written)
	h.write([]store.Write{{Row: next(h.row("a"), 9), Once: once, Epoch: 1}}, outdated)
	h.write([]store.Write{{Row: h.row("a"), Once: once, Epoch: 2}}, store.Outcome{Result: store.Replayed, Token: "c", Input: once.Input})
	tomb := h.deleted("c", 1)
	h.write([]store.Write{tomb}, outdated)
	tomb.Epoch = 2
	h.write([]store.Write{tomb}, written)
	// Another scope has its own, and the state alone leaves the epoch as it is.
	h.updated(r, "state", 2)
	h.write([]store.Write{at(h.row("e"), 2)}, written)
	h.scope = newScope()
	h.save(h.row("a"))
}

// epochRace: once UpdateRepository returned, no write under the old epoch is
// committed any more.
func epochRace(h *harness) {
	r := h.repository()
	const writers = 8
	var wg sync.WaitGroup
	var done atomic.Int64
	started := make(chan struct{}, writers)
	for g := range writers {
		wg.Go(func() {
			for i := 0; ; i++ {
				out, err := h.c.Write(h.Context(), writes(h.plainRow(fmt.Sprintf("g%d-%d", g, i))), nil)
				if i == 3 {
					started <- struct{}{}
				}
				switch {
				case err != nil || len(out) != 1:
					h.Errorf("Write: %v, %d outcomes", err, len(out))
					return
				case out[0] == outdated:
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
	r.Epoch = 1
	h.noError(h.c.UpdateRepository(h.Context(), r), "UpdateRepository")
	rows := int64(len(h.scanned(h.scope, "")))
	wg.Wait()
	if rows != done.Load() {
		h.Fatalf("%d rows once the epoch was raised, %d rows in the end", rows, done.Load())
	}
}
