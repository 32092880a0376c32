package keys

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// maxConflicts bounds how often a change of the ring is tried again after other
// processes changed it first.
const maxConflicts = 16

// activeKey returns the ring's active data key, made if there is none.
func (r *ring) activeKey(ctx context.Context) (*dataKey, error) {
	if r.m.store == nil {
		return r.inlineKey(ctx)
	}
	for range maxConflicts {
		records, version, err := r.m.store.List(ctx, r.id)
		if err != nil {
			return nil, fmt.Errorf("keys: read ring: %w", err)
		}
		for i := range records {
			if records[i].State == Active {
				return r.load(ctx, &records[i])
			}
		}
		k, err := r.replace(ctx, version, nil)
		if !errors.Is(err, ErrConflict) {
			return k, err
		}
	}
	return nil, fmt.Errorf("keys: read ring: %w", ErrConflict)
}

// replace makes a new active key and retires the given one, in one step.
func (r *ring) replace(ctx context.Context, version uint64, active *Record) (*dataKey, error) {
	id, created := envelope.NewKeyID(), time.Now().UTC().Truncate(time.Second)
	raw, wrapped, err := r.newKey(ctx, id, created)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	put := []Record{{
		ID: id, Ring: r.id, State: Active, Created: created, Changed: created,
		Wrapped: []Wrapping{{KEK: r.m.kek.ID(), Bytes: wrapped}},
	}}
	if active != nil {
		old := *active
		old.State, old.Changed = Retired, created
		put = append(put, old)
	}
	// The key's row is durable before any record can name it.
	if err := r.m.store.CompareAndSwap(ctx, r.id, version, put); err != nil {
		return nil, fmt.Errorf("keys: store data key %v: %w", id, err)
	}
	return r.hold(envelope.Reference{KeyID: id}, raw)
}

// load returns a stored key's bytes from memory or from the KMS.
func (r *ring) load(ctx context.Context, rec *Record) (*dataKey, error) {
	if k := r.cached(rec.ID); k != nil {
		return k, nil
	}
	kek := r.m.kek.ID()
	for _, w := range rec.Wrapped {
		if w.KEK == kek {
			return r.unwrap(ctx, envelope.Reference{KeyID: rec.ID}, rec.Created, w.Bytes)
		}
	}
	// No KMS call: this KEK never wrapped the key.
	return nil, fmt.Errorf("keys: data key %v is wrapped by another KEK: %w", rec.ID, ErrNotFound)
}

// storedKey returns the data key that a stored-mode record names.
func (r *ring) storedKey(ctx context.Context, id KeyID) (*dataKey, error) {
	if k := r.cached(id); k != nil {
		return k, nil
	}
	if r.m.store == nil || r.isMissing(id) {
		return nil, envelope.ErrUnknownKey
	}
	v, err := r.wait(ctx, "key "+id.String(), func(ctx context.Context) (any, error) {
		rec, err := r.m.store.Get(ctx, id)
		if errors.Is(err, ErrNotFound) || err == nil && rec.Ring != r.id {
			r.noteMissing(id)
			return nil, envelope.ErrUnknownKey
		}
		if err != nil {
			return nil, fmt.Errorf("keys: read data key %v: %w", id, err)
		}
		if rec.State != Active && rec.State != Retired {
			return nil, fmt.Errorf("keys: data key %v is %v: %w", id, rec.State, ErrDisabled)
		}
		return r.load(ctx, &rec)
	})
	if err != nil {
		return nil, err
	}
	return v.(*dataKey), nil
}

func (r *ring) isMissing(id KeyID) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, ok := r.missing[id]
	return ok && !since.passed(missingLife)
}

func (r *ring) noteMissing(id KeyID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.missing) >= missingMax {
		clear(r.missing)
	}
	r.missing[id] = now()
}
