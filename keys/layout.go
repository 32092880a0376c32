package keys

import (
	"context"
	"fmt"
	"slices"
)

// Layout says whose data keys a [Scope] uses. The zero value is invalid.
type Layout uint8

const (
	// Shared: all scopes of a purpose share its ring, so that KMS calls do not
	// grow with scopes. The binding's scope is empty.
	Shared Layout = iota + 1
	// PerScope: each scope has a ring of its own, with data keys that can be
	// destroyed, and a KEK if [Options.KEKFor] names one, apart from all others.
	PerScope
)

// String is the layout in words.
func (l Layout) String() string {
	switch l {
	case Shared:
		return "shared"
	case PerScope:
		return "per scope"
	}
	return "invalid"
}

// maxScopeKeys bounds the data keys that a ring of the PerScope layout holds in
// memory, beside Options.CacheKeys.
const maxScopeKeys = 8

func (r *ring) maxKeys() int {
	if r.layout() == PerScope {
		return min(r.m.o.CacheKeys, maxScopeKeys)
	}
	return r.m.o.CacheKeys
}

func (r *ring) layout() Layout {
	if r.id.Scope != "" {
		return PerScope
	}
	return Shared
}

// guard returns the ring's KEKs: the manager's, or the scope's own, asked for once
// for as long as the ring is in memory. What the manager's KEKs wrapped, before the
// scope had its own, they go on opening.
func (r *ring) guard(ctx context.Context) (*guard, error) {
	if r.layout() == Shared || r.m.o.KEKFor == nil {
		return r.m.guard, nil
	}
	r.mu.Lock()
	g := r.guarded
	r.mu.Unlock()
	if g != nil {
		return g, nil
	}
	keks, err := r.m.o.KEKFor(ctx, r.id.Scope)
	if err != nil {
		return nil, fmt.Errorf("keys: KEK of the scope: %w", err)
	}
	if len(keks) == 0 {
		return r.m.guard, nil
	}
	var old []KEK
	for _, k := range r.m.KEKs() {
		if !slices.ContainsFunc(keks, func(own KEK) bool { return own != nil && own.ID() == k.ID() }) {
			old = append(old, k)
		}
	}
	if g, err = newGuard("KEKFor", slices.Clone(keks), old, min(r.m.o.Quorum, len(keks))); err != nil {
		return nil, err
	}
	r.mu.Lock()
	r.guarded = g
	r.mu.Unlock()
	return g, nil
}
