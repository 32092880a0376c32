package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// maxConflicts bounds how often a change of the ring is tried again after other
// processes changed it first.
const maxConflicts = 16

// activeKey returns the ring's active data key, made if there is none or it is
// too old.
func (r *ring) activeKey(ctx context.Context, m moment) (*dataKey, error) {
	if r.m.store == nil {
		return r.inlineKey(ctx, m)
	}
	for range maxConflicts {
		records, version, err := r.list(ctx)
		if err != nil {
			return nil, err
		}
		r.heed(ctx, records)
		active := activeOf(records)
		if active != nil && !r.overdue(active.Created) && !r.stranded(ctx, active) {
			return r.load(ctx, active, m)
		}
		k, _, err := r.replace(ctx, version, active, m)
		switch {
		case errors.Is(err, ErrConflict):
		case active != nil && unreachable(err): // the old key is still good
			return r.load(ctx, active, m)
		default:
			return k, err
		}
	}
	return nil, fmt.Errorf("keys: read ring: %w", ErrConflict)
}

// list reads the ring from the store, for the lease and all that changes it.
func (r *ring) list(ctx context.Context) ([]Record, uint64, error) {
	start := now()
	records, version, err := r.m.store.List(ctx, r.id)
	r.tell(ctx, Event{Kind: RingRead, Err: err, Took: time.Since(start.at)})
	if err != nil {
		return nil, 0, fmt.Errorf("keys: read ring: %w", err)
	}
	return records, version, nil
}

// activeOf is the active one of a ring's records, or nil.
func activeOf(records []Record) *Record {
	for i := range records {
		if records[i].State == Active {
			return &records[i]
		}
	}
	return nil
}

// replaceable reports whether whoever seals may make the next key. Keys that more
// hangs on than sealing are replaced on demand alone.
func (r *ring) replaceable() bool {
	switch r.id.Purpose {
	case Index, Analytics, FPE, Audit:
		return false
	}
	return true
}

// overdue reports whether a key was made too long ago to seal.
func (r *ring) overdue(created time.Time) bool {
	return r.m.o.RotateAge > 0 && r.replaceable() && time.Since(created) >= r.m.o.RotateAge
}

// stranded reports whether the KEKs that wrapped a key were all replaced: this
// process opens it with old ones alone.
func (r *ring) stranded(ctx context.Context, rec *Record) bool {
	g, err := r.guard(ctx)
	if err != nil || !r.replaceable() {
		return false // a key in memory goes on
	}
	known := false
	for _, w := range rec.Wrapped {
		if g.wraps(w.KEK) {
			return false
		}
		known = known || slices.ContainsFunc(g.old, func(k KEK) bool { return k.ID() == w.KEK })
	}
	return known
}

// replace makes a new active key and retires the given one, in one step, which was
// not taken before the moment returned.
func (r *ring) replace(ctx context.Context, version uint64, active *Record, m moment) (k *dataKey, since time.Time, err error) {
	id, created := envelope.NewKeyID(), time.Now().UTC().Truncate(time.Second)
	if active != nil {
		defer func() { r.tell(ctx, Event{Kind: Rotated, Key: id, Err: err}) }()
	}
	raw, wrapped, err := r.newKey(ctx, id, created)
	if err != nil {
		return nil, since, err
	}
	defer clear(raw)
	put := []Record{{ID: id, Ring: r.id, State: Active, Created: created, Changed: created, Wrapped: wrapped}}
	if active != nil {
		old := *active
		old.State, old.Changed = Retired, time.Now().UTC().Truncate(time.Second) // the KMS took its time
		put = append(put, old)
	}
	// The key's row is durable before any record can name it.
	since = time.Now()
	if err := r.m.store.CompareAndSwap(ctx, r.id, version, put); err != nil {
		return nil, since, fmt.Errorf("keys: store data key %v: %w", id, err)
	}
	k, err = r.hold(envelope.Reference{KeyID: id}, created, raw, m)
	return k, since, err
}

// load returns a stored key's bytes from memory or from the KMS.
func (r *ring) load(ctx context.Context, rec *Record, m moment) (*dataKey, error) {
	if k := r.cached(rec.ID); k != nil {
		return k, nil
	}
	return r.unwrap(ctx, envelope.Reference{KeyID: rec.ID}, rec.Created, rec.Wrapped, m)
}

// record reads the record of a key of the ring that is not out of use.
func (r *ring) record(ctx context.Context, id KeyID) (Record, error) {
	rec, err := r.m.store.Get(ctx, id)
	if err != nil {
		return rec, fmt.Errorf("keys: read data key %v: %w", id, err)
	}
	if rec.Ring != r.id {
		return rec, fmt.Errorf("keys: data key %v is of another ring: %w", id, ErrNotFound)
	}
	if !rec.usable() {
		return rec, fmt.Errorf("keys: data key %v is %v: %w", id, rec.State, ErrDisabled)
	}
	return rec, nil
}

// storedKey returns the data key that a stored-mode record names.
func (r *ring) storedKey(ctx context.Context, id KeyID) (*dataKey, error) {
	if k := r.look(ctx, id); k != nil {
		return k, nil
	}
	if r.m.store == nil || r.isMissing(id) {
		return nil, envelope.ErrUnknownKey
	}
	for range maxConflicts {
		v, err := r.wait(ctx, "key "+id.String(), func(ctx context.Context) (any, error) { return r.readKey(ctx, id) })
		if err == nil {
			return v.(*dataKey), nil
		}
		if !errors.Is(err, errEvicted) {
			return nil, err
		}
	}
	return nil, errEvicted
}

func (r *ring) readKey(ctx context.Context, id KeyID) (*dataKey, error) {
	m := r.moment()
	rec, err := r.record(ctx, id)
	if err == nil {
		return r.load(ctx, &rec, m)
	}
	if k := r.inGrace(ctx, envelope.Reference{KeyID: id}, err); k != nil {
		return k, nil
	}
	if errors.Is(err, ErrNotFound) {
		r.noteMissing(id)
		return nil, envelope.ErrUnknownKey
	}
	return nil, err
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
	if r.missing == nil {
		r.missing = map[KeyID]stamp{}
	}
	r.missing[id] = now()
}
