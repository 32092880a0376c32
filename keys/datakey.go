package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/crypto/secret"
)

// maxScopes bounds the scope keys kept for one data key.
const maxScopes = 4096

// dataKey is a data key in memory and what was derived from it.
type dataKey struct {
	ref     envelope.Reference
	created time.Time

	// Guarded by the ring's mutex.
	loaded stamp  // when the KMS was last asked for it with success
	used   uint64 // the ring's count of look-ups when last used
	phase  phase
	wanted bool // used since its refresh was due
	busy   bool // is being asked for again
	lost   bool // could not be asked for again: the KMS was away
	tried  bool // was asked for again in vain: the next time is the watching goroutine's

	mu     sync.Mutex
	bytes  *secret.Bytes
	scopes map[string]*envelope.ScopeKey
}

// scopeKey derives the key of one scope, once.
func (k *dataKey) scopeKey(p envelope.Place) (*envelope.ScopeKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if s := k.scopes[p.Scope]; s != nil {
		return s, nil
	}
	s, err := derive(k, func(b []byte) (*envelope.ScopeKey, error) { return envelope.Derive(b, k.ref, p) })
	if err != nil {
		return nil, err
	}
	if len(k.scopes) >= maxScopes {
		for name := range k.scopes {
			delete(k.scopes, name)
			break
		}
	}
	k.scopes[p.Scope] = s
	return s, nil
}

// subkey derives the key of a use that is not sealing.
func (k *dataKey) subkey(p envelope.Place, label string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return derive(k, func(b []byte) ([]byte, error) { return envelope.Subkey(b, k.ref.KeyID, p, label) })
}

// derive hands the raw bytes to f, or fails where they were wiped; k.mu is held.
func derive[T any](k *dataKey, f func([]byte) (T, error)) (T, error) {
	var raw [DataKeySize]byte
	defer clear(raw[:])
	if len(k.bytes.Reveal(raw[:0])) != DataKeySize {
		var none T
		return none, errEvicted
	}
	return f(raw[:])
}

// errEvicted: the key was wiped between look-up and use; asking again loads it.
// It reaches a caller only where that keeps happening, and is worth another try.
var errEvicted = fmt.Errorf("%w: data key was evicted before its use", ErrUnavailable)

func (k *dataKey) wipe() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.bytes.Wipe()
	clear(k.scopes)
}

// moment is when a load began, by the clocks and by what the ring ended before.
type moment struct {
	stamp
	turn uint64 // see ring.turn
	cuts uint64 // see ring.cuts
}

// moment is taken before the store is asked: what it answers is no younger.
func (r *ring) moment() moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	return moment{now(), r.turn, r.cuts}
}

// hold keeps a data key in memory whose load began at m, in place of the one used
// longest ago where the ring is full. Seals do not count as use, since they look
// nothing up: the key sealed under goes only where there is no other. A key that
// was ended since m is not brought back.
func (r *ring) hold(ref envelope.Reference, created time.Time, raw []byte, m moment) (*dataKey, error) {
	fresh := &dataKey{ref: ref, created: created, loaded: m.stamp, bytes: secret.New(raw), scopes: map[string]*envelope.ScopeKey{}}
	k, err := r.keep(fresh, m)
	if k != fresh {
		fresh.bytes.Wipe()
	}
	if err != nil {
		return nil, err
	}
	return k, r.m.touch(r)
}

func (r *ring) keep(k *dataKey, m moment) (*dataKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch held := r.held[k.ref.KeyID]; {
	case r.closed:
		return nil, ErrClosed
	case r.cutSince(k.ref.KeyID, m):
		return nil, errEvicted
	case held != nil && !held.bytes.Equal(k.bytes):
		return nil, fmt.Errorf("keys: data key %v: the KMS gives another key than before: %w", k.ref.KeyID, ErrCorrupt)
	case held != nil:
		held.confirmed(m.stamp)
		return held, nil
	}
	if len(r.held) >= r.maxKeys() {
		var oldest *dataKey
		for _, k := range r.held {
			sealing := k == r.own || r.last != nil && k == r.last.key
			if sealing && len(r.held) > 1 {
				continue
			}
			if oldest == nil || k.used < oldest.used {
				oldest = k
			}
		}
		if oldest == nil { // room for two: the key sealed under and the one about to be
			oldest = r.last.key
		}
		r.drop(oldest)
	}
	r.uses++
	k.used = r.uses
	k.ref.Wrapped = slices.Clone(k.ref.Wrapped)
	r.held[k.ref.KeyID] = k
	delete(r.missing, k.ref.KeyID)
	return k, nil
}

// cached returns the data key if it is in memory and may serve. Its life is
// watched by expire, not here: reading a clock costs more than all the rest.
func (r *ring) cached(id KeyID) *dataKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.held[id]
	if k == nil || k.phase == stale {
		return nil
	}
	r.uses++
	k.used = r.uses
	k.wanted = true
	if !k.tried {
		r.refresh(k)
	}
	return k
}

// look is cached for those who look up a key to use it.
func (r *ring) look(ctx context.Context, id KeyID) *dataKey {
	k := r.cached(id)
	if r.m.o.Observer != nil {
		kind := CacheMiss
		if k != nil {
			kind = CacheHit
		}
		r.tell(ctx, Event{Kind: kind, Key: id})
	}
	return k
}

// unwrap asks the KMS for a data key and holds it. Callers are brought together
// by all that the call depends on: a record with the right key ID and a forged
// rest must not fail those beside it.
func (r *ring) unwrap(ctx context.Context, ref envelope.Reference, created time.Time, wrapped []Wrapping, m moment) (*dataKey, error) {
	name := fmt.Appendf(nil, "unwrap %v %d", ref.KeyID, created.Unix())
	for _, w := range wrapped {
		name = fmt.Appendf(name, " %q %x", w.KEK, w.Bytes)
	}
	v, err := r.wait(ctx, string(name), func(ctx context.Context) (any, error) {
		if k := r.cached(ref.KeyID); k != nil {
			return k, nil
		}
		k, err := r.unwrapNow(ctx, ref, created, wrapped, m)
		if err != nil && !errors.Is(err, errEvicted) {
			if k := r.inGrace(ctx, ref, err); k != nil {
				return k, nil
			}
		}
		return k, err
	})
	if err != nil && ctx.Err() == context.DeadlineExceeded { // of the call this one is part of, and began after
		if k := r.inGrace(ctx, ref, err); k != nil {
			return k, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return v.(*dataKey), nil
}

func (r *ring) unwrapNow(ctx context.Context, ref envelope.Reference, created time.Time, wrapped []Wrapping, m moment) (*dataKey, error) {
	var raw [DataKeySize]byte
	defer clear(raw[:])
	g, err := r.guard(ctx)
	if err != nil {
		return nil, err
	}
	out, err := r.open(ctx, g, raw[:0], wrapped, r.binding(ref.KeyID, created))
	if err != nil {
		return nil, fmt.Errorf("keys: unwrap data key %v: %w", ref.KeyID, err)
	}
	defer clear(out)
	return r.hold(ref, created, out, m)
}

func (r *ring) binding(id KeyID, created time.Time) Binding {
	return Binding{
		Environment: r.id.Environment, Scope: r.id.Scope, Purpose: r.id.Purpose,
		KeyID: id, Created: created,
	}
}
