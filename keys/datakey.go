package keys

import (
	"context"
	"crypto/rand"
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
	ref    envelope.Reference
	loaded stamp
	used   uint64 // the ring's count of look-ups when last used; guarded by the ring's mutex

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

// hold keeps a data key in memory, in place of the one used longest ago where
// the ring is full. Seals do not count as use, since they look nothing up: the
// key sealed under goes only where there is no other.
func (r *ring) hold(ref envelope.Reference, raw []byte) (*dataKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if k := r.held[ref.KeyID]; k != nil {
		return k, nil
	}
	if len(r.held) >= r.m.o.CacheKeys {
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
		r.drop(oldest)
	}
	r.uses++
	ref.Wrapped = slices.Clone(ref.Wrapped)
	k := &dataKey{ref: ref, loaded: now(), used: r.uses, bytes: secret.New(raw), scopes: map[string]*envelope.ScopeKey{}}
	r.held[ref.KeyID] = k
	delete(r.missing, ref.KeyID)
	return k, nil
}

// cached returns the data key if it is in memory. Its life is watched by expire,
// not here: reading a clock costs more than all the rest.
func (r *ring) cached(id KeyID) *dataKey {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.held[id]
	if k != nil {
		r.uses++
		k.used = r.uses
	}
	return k
}

// unwrap asks the KMS for a data key and holds it. Callers are brought together
// by all that the call depends on: a record with the right key ID and a forged
// rest must not fail those beside it.
func (r *ring) unwrap(ctx context.Context, ref envelope.Reference, created time.Time, wrapped []byte) (*dataKey, error) {
	name := fmt.Sprintf("unwrap %v %d %x", ref.KeyID, created.Unix(), wrapped)
	v, err := r.wait(ctx, name, func(ctx context.Context) (any, error) {
		if k := r.cached(ref.KeyID); k != nil {
			return k, nil
		}
		return r.unwrapNow(ctx, ref, created, wrapped)
	})
	if err != nil {
		return nil, err
	}
	return v.(*dataKey), nil
}

func (r *ring) unwrapNow(ctx context.Context, ref envelope.Reference, created time.Time, wrapped []byte) (*dataKey, error) {
	var raw [DataKeySize]byte
	defer clear(raw[:])
	var out []byte
	err := r.m.ask(ctx, func(ctx context.Context) (err error) {
		out, err = r.m.kek.Unwrap(ctx, raw[:0], wrapped, r.binding(ref.KeyID, created))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("keys: unwrap data key %v: %w", ref.KeyID, err)
	}
	defer clear(out)
	if len(out) != DataKeySize {
		return nil, fmt.Errorf("keys: unwrap data key %v: not 32 bytes: %w", ref.KeyID, ErrCorrupt)
	}
	return r.hold(ref, out)
}

// newKey draws a data key and has the KMS wrap it. The caller holds it, once what
// it is stored in is durable.
func (r *ring) newKey(ctx context.Context, id KeyID, created time.Time) (raw, wrapped []byte, err error) {
	b := r.binding(id, created)
	if g, ok := r.m.kek.(Generator); ok {
		err = r.m.ask(ctx, func(ctx context.Context) (err error) {
			raw, wrapped, err = g.GenerateDataKey(ctx, nil, b)
			return err
		})
	} else {
		raw = make([]byte, DataKeySize)
		rand.Read(raw)
		err = r.m.ask(ctx, func(ctx context.Context) (err error) {
			wrapped, err = r.m.kek.Wrap(ctx, nil, raw, b)
			return err
		})
	}
	if err == nil && (len(raw) != DataKeySize || len(wrapped) == 0) {
		err = ErrCorrupt
	}
	if err != nil {
		clear(raw)
		return nil, nil, fmt.Errorf("keys: wrap data key %v: %w", id, err)
	}
	return raw, wrapped, nil
}

func (r *ring) binding(id KeyID, created time.Time) Binding {
	return Binding{
		Environment: r.id.Environment, Scope: r.id.Scope, Purpose: r.id.Purpose,
		KeyID: id, Created: created,
	}
}
