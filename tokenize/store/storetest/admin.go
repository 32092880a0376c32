package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"

	"github.com/cardseal/cardseal/tokenize/store"
)

func jobs(h *harness) {
	id, other := store.JobID{1}, store.JobID{1, 31: 1}
	h.noJob(id)
	h.noError(h.c.EndJob(h.Context(), id), "EndJob of no job")
	for _, state := range [][]byte{[]byte("one"), nil, bytes.Repeat([]byte{0xff}, 10_000)} {
		_, err := h.c.Write(h.Context(), nil, &store.Job{ID: id, State: state})
		h.noError(err, "Write")
		got, err := h.c.Job(h.Context(), id)
		h.noError(err, "Job")
		if !bytes.Equal(got, state) {
			h.Fatalf("job state has %d bytes, want %d", len(got), len(state))
		}
	}
	h.noJob(other)
	h.noError(h.c.EndJob(h.Context(), other), "EndJob")
	_, err := h.c.Job(h.Context(), id)
	h.noError(err, "Job")
	h.noError(h.c.EndJob(h.Context(), id), "EndJob")
	h.noJob(id)
}

func (h *harness) noJob(id store.JobID) {
	h.Helper()
	if state, err := h.c.Job(h.Context(), id); !errors.Is(err, store.ErrNotFound) {
		h.Fatalf("Job = %d bytes, %v; want ErrNotFound", len(state), err)
	}
}

func jobWithWrite(h *harness) {
	job := func(state string) *store.Job { return &store.Job{ID: store.JobID{7}, State: []byte(state)} }
	out, err := h.c.Write(h.Context(), writes(h.row("a")), job("1"))
	h.noError(err, "Write")
	if len(out) != 1 || out[0] != written {
		h.Fatalf("outcomes %s", show(out))
	}
	// A refused call leaves the job where it was.
	out, err = h.c.Write(h.Context(), writes(h.row("b"), h.row("a")), job("2"))
	h.noError(err, "Write")
	if len(out) != 2 || out[1].Result != store.TokenTaken {
		h.Fatalf("outcomes %s", show(out))
	}
	state, err := h.c.Job(h.Context(), store.JobID{7})
	h.noError(err, "Job")
	h.equal([]string{string(state)}, []string{"1"}, "job after a refused call")
}

func repositories(h *harness) {
	all, err := h.c.Repositories(h.Context())
	h.noError(err, "Repositories")
	if len(all) != 0 {
		h.Fatalf("an empty store has %d repositories", len(all))
	}
	shop := store.Repository{Scope: newScope(), Name: "SHOP", Config: []byte("one"), State: []byte("state"), Epoch: 3, Version: 1}
	h.created(shop, shop)
	h.created(shop, shop)
	h.created(store.Repository{Scope: newScope(), Name: "SHOP", Config: []byte("two")}, shop)
	bare := store.Repository{Scope: newScope(), Name: "SHO", Version: 1}
	h.created(bare, bare)
	test := store.Repository{Scope: newScope(), Name: "shop", Config: []byte{0, 1, 255}, Version: 1}
	h.created(test, test)
	// Under a new name, but with a scope that is taken: nothing is stored.
	got, err := h.c.CreateRepository(h.Context(), store.Repository{Scope: shop.Scope, Name: "OTHER"})
	if err == nil && got.Name != "" {
		h.Fatalf("a second repository was made with the scope of another")
	}
	all, err = h.c.Repositories(h.Context())
	h.noError(err, "Repositories")
	want := []store.Repository{bare, shop, test}
	if len(all) != len(want) {
		h.Fatalf("%d repositories, want %d", len(all), len(want))
	}
	for i := range want {
		h.sameRepository(all[i], want[i])
	}
	if _, err := h.c.CreateRepository(h.Context(), store.Repository{Scope: newScope()}); err == nil {
		h.Fatal("a repository without name was made")
	}
}

func (h *harness) created(r, want store.Repository) {
	h.Helper()
	got, err := h.c.CreateRepository(h.Context(), r)
	h.noError(err, "CreateRepository")
	h.sameRepository(got, want)
}

func (h *harness) sameRepository(got, want store.Repository) {
	h.Helper()
	if got.Scope != want.Scope || got.Name != want.Name || !bytes.Equal(got.Config, want.Config) ||
		!bytes.Equal(got.State, want.State) || got.Epoch != want.Epoch || got.Version != want.Version {
		h.Fatalf("repository %+v, want %+v", got, want)
	}
}

// repositoryRace: all who make a repository at once are given the same one.
func repositoryRace(h *harness) {
	const callers = 16
	got := make([]store.Repository, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			var err error
			got[i], err = h.c.CreateRepository(h.Context(), store.Repository{Scope: newScope(), Name: "SHOP", Config: fmt.Append(nil, i)})
			if err != nil {
				h.Errorf("CreateRepository: %v", err)
			}
		})
	}
	wg.Wait()
	for i := range got {
		h.sameRepository(got[i], got[0])
	}
	all, err := h.c.Repositories(h.Context())
	h.noError(err, "Repositories")
	if len(all) != 1 {
		h.Fatalf("%d repositories, want 1", len(all))
	}
}

func merchants(h *harness) {
	a, b := newScope(), newScope()
	h.merchant("m", nil)
	h.noError(h.c.AssignMerchant(h.Context(), "m", a), "AssignMerchant")
	h.noError(h.c.AssignMerchant(h.Context(), "mm", b), "AssignMerchant")
	h.merchant("m", &a)
	h.merchant("mm", &b)
	h.merchant("M", nil)
	h.merchant("", nil)
	h.noError(h.c.AssignMerchant(h.Context(), "m", b), "AssignMerchant")
	h.merchant("m", &b)
	if err := h.c.AssignMerchant(h.Context(), "", a); err == nil {
		h.Fatal("a merchant without name was assigned")
	}
}

func (h *harness) merchant(name string, want *store.ScopeID) {
	h.Helper()
	got, err := h.c.MerchantScope(h.Context(), name)
	if want == nil {
		if !errors.Is(err, store.ErrNotFound) {
			h.Fatalf("MerchantScope(%q): %v, want ErrNotFound", name, err)
		}
		return
	}
	h.noError(err, "MerchantScope")
	if got != *want {
		h.Fatalf("merchant %q is in scope %x, want %x", name, got, *want)
	}
}
