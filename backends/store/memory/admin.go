package memory

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func (c cards) OpenFence(ctx context.Context, key envelope.KeyID) error {
	return c.setFence(ctx, key, fenceOpen)
}

// CloseFence returns when every write that may have seen the fence open is over.
func (c cards) CloseFence(ctx context.Context, key envelope.KeyID) error {
	if err := c.setFence(ctx, key, fenceClosed); err != nil {
		return err
	}
	// A write reads the fences under its scopes' locks. A scope made after the
	// list was taken is locked later than the fence was closed.
	for _, s := range c.db.allScopes() {
		s.wait()
	}
	return nil
}

func (c cards) setFence(ctx context.Context, key envelope.KeyID, to fence) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	c.db.admin.Lock()
	defer c.db.admin.Unlock()
	old := *c.db.fences.Load()
	if old[key] >= to { // closed stays closed
		return nil
	}
	next := maps.Clone(old)
	next[key] = to
	c.db.fences.Store(&next)
	return nil
}

func (c cards) CreateRepository(ctx context.Context, r store.Repository) (store.Repository, error) {
	if err := c.db.ready(ctx); err != nil {
		return store.Repository{}, err
	}
	if r.Name == "" || len(r.Name) > store.MaxName {
		return store.Repository{}, &store.InvalidError{Field: "Repository.Name", Problem: "must have 1 to 255 bytes"}
	}
	c.db.admin.Lock()
	defer c.db.admin.Unlock()
	if stored, ok := c.db.repositories[r.Name]; ok {
		return copyRepository(stored), nil
	}
	for _, other := range c.db.repositories {
		if other.Scope == r.Scope {
			return store.Repository{}, &store.InvalidError{Field: "Repository.Scope", Problem: "belongs to another repository"}
		}
	}
	r.Version = 1
	c.db.repositories[r.Name] = copyRepository(r)
	c.db.setEpoch(r.Scope, r.Epoch)
	return copyRepository(r), nil
}

func (c cards) UpdateRepository(ctx context.Context, r store.Repository, needs ...envelope.KeyID) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	c.db.admin.Lock()
	defer c.db.admin.Unlock()
	for name, old := range c.db.repositories {
		switch {
		case old.Scope != r.Scope:
			continue
		case old.Version != r.Version:
			return store.ErrConflict
		case r.Epoch < old.Epoch:
			return &store.InvalidError{Field: "Repository.Epoch", Problem: "must not fall"}
		}
		for _, key := range needs {
			if (*c.db.fences.Load())[key] != fenceOpen { // db.admin keeps them as they are
				return store.ErrFenced
			}
		}
		old.State, old.Epoch, old.Version = bytes.Clone(r.State), r.Epoch, old.Version+1
		c.db.repositories[name] = old
		c.db.setEpoch(r.Scope, r.Epoch)
		return nil
	}
	return store.ErrNotFound
}

// setEpoch returns when every write that named the epoch before is over; db.admin
// is held.
func (db *DB) setEpoch(id store.ScopeID, epoch uint64) {
	s := db.makeScope(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.epoch = epoch
}

func (c cards) Repositories(ctx context.Context) ([]store.Repository, error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	c.db.admin.Lock()
	defer c.db.admin.Unlock()
	list := make([]store.Repository, 0, len(c.db.repositories))
	for _, r := range c.db.repositories {
		list = append(list, copyRepository(r))
	}
	slices.SortFunc(list, func(a, b store.Repository) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

func copyRepository(r store.Repository) store.Repository {
	r.Config, r.State = bytes.Clone(r.Config), bytes.Clone(r.State)
	return r
}

func (c cards) AssignMerchant(ctx context.Context, merchant string, scope store.ScopeID) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	if merchant == "" || len(merchant) > store.MaxName {
		return &store.InvalidError{Field: "merchant", Problem: "must have 1 to 255 bytes"}
	}
	c.db.admin.Lock()
	defer c.db.admin.Unlock()
	c.db.merchants[merchant] = scope
	return nil
}

func (c cards) MerchantScope(ctx context.Context, merchant string) (store.ScopeID, error) {
	if err := c.db.ready(ctx); err != nil {
		return store.ScopeID{}, err
	}
	c.db.admin.Lock()
	defer c.db.admin.Unlock()
	scope, ok := c.db.merchants[merchant]
	if !ok {
		return store.ScopeID{}, store.ErrNotFound
	}
	return scope, nil
}

func (c cards) Job(ctx context.Context, id store.JobID) ([]byte, error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	c.db.jobsMu.Lock()
	defer c.db.jobsMu.Unlock()
	state, ok := c.db.jobs[id]
	if !ok {
		return nil, store.ErrNotFound
	}
	return bytes.Clone(state), nil
}

func (c cards) EndJob(ctx context.Context, id store.JobID) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	c.db.jobsMu.Lock()
	defer c.db.jobsMu.Unlock()
	delete(c.db.jobs, id)
	return nil
}
