package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNotRotatable: the ring's key cannot be replaced this way.
var ErrNotRotatable = errors.New("keys: this ring cannot be rotated")

var errIndex = fmt.Errorf("%w: cards indexed under the old key would not be found", ErrNotRotatable)

// OtherKEKsError is a rotation by a process that has some of the KEKs which wrapped the
// active key and lacks others: these would not have wrapped the next, and the ring
// would hang on fewer KEKs than before. It is [ErrNotRotatable].
type OtherKEKsError struct {
	Key  KeyID    // the active one
	KEKs []string // canonical IDs of those lacking
}

func (e *OtherKEKsError) Error() string {
	return fmt.Sprintf("keys: data key %v is also wrapped by KEKs that are neither among Options.KEKs nor OldKEKs, and would not wrap the next: %s",
		e.Key, strings.Join(e.KEKs, ", "))
}

// Unwrap is ErrNotRotatable.
func (e *OtherKEKsError) Unwrap() error { return ErrNotRotatable }

// Rotate makes a new active key for a purpose and retires the one it replaces,
// which goes on opening. It returns the ID of the key that is active afterwards:
// this call's, or that of another one, here or in another process, that replaced
// the same key meanwhile. Other processes follow within their seal lease. The index
// ring is refused: a new index key would not find the cards stored under the old
// one; see [Manager.RotateIndex]. An active key that some of this process's KEKs
// have wrapped, and others that it lacks, is not replaced ([OtherKEKsError]): name them
// among [Options.KEKs] or OldKEKs, or remove what they wrapped
// ([RewrapOptions].DropOthers).
func (m *Manager) Rotate(ctx context.Context, p Purpose) (KeyID, error) {
	if !p.Valid() {
		return KeyID{}, &OptionError{"purpose", "is unknown"}
	}
	if p == Index && m.store != nil {
		return KeyID{}, errIndex
	}
	return m.rotate(ctx, p)
}

// RotateIndex is [Manager.Rotate] for the index ring. Nothing is found under the
// new key until every value was computed anew under it: the repository's reindex
// has to follow, which writes both, fills in and reads the new ones last. Until
// it is through, the retired key goes on giving its subkeys ([Scope.Subkey] under
// its ID). Whoever keeps no index of cards under [Index] needs nothing more.
func (m *Manager) RotateIndex(ctx context.Context) (KeyID, error) {
	return m.rotate(ctx, Index)
}

func (m *Manager) rotate(ctx context.Context, p Purpose) (KeyID, error) {
	r, err := m.sharedRing(p)
	if err != nil {
		return KeyID{}, err
	}
	return r.rotateKey(ctx)
}

func (r *ring) rotateKey(ctx context.Context) (KeyID, error) {
	if r.m.store == nil {
		return KeyID{}, fmt.Errorf("%w: inline keys belong to one process", ErrNotRotatable)
	}
	called := time.Now()
	for {
		v, err := r.wait(ctx, "rotate", r.rotate)
		if err != nil {
			return KeyID{}, err
		}
		// A call that joins another one's may know the key already which that one is
		// about to answer with, and want it replaced.
		if made := v.(rotation); !called.After(made.since) {
			return made.id, nil
		}
	}
}

// rotation is what came of a call to rotate.
type rotation struct {
	id    KeyID
	since time.Time // the key was not active before
}

func (r *ring) rotate(ctx context.Context) (any, error) {
	var meant *Record // the key this call replaces, once and not twice
	began := time.Now()
	for try := range maxConflicts {
		at := r.moment()
		records, version, err := r.list(ctx)
		if err != nil {
			return nil, err
		}
		active := activeOf(records)
		if try > 0 && active != nil && (meant == nil || active.ID != meant.ID) {
			r.endLease()
			return rotation{active.ID, began}, nil
		}
		meant = active
		if err := r.lacks(ctx, active); err != nil {
			return nil, err
		}
		k, since, err := r.replace(ctx, version, active, at)
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return nil, err
		}
		r.endLease()
		return rotation{k.ref.KeyID, since}, nil
	}
	return nil, fmt.Errorf("keys: rotate: %w", ErrConflict)
}

// lacks is an [OtherKEKsError] where some of the KEKs that wrapped a key, if any, are
// none of this process's. Where all are, nothing can be sealed here, and a rotation is
// the way out. Rotation by age does not ask: where KEKs are exchanged, processes that
// have one may run beside those that have the other, and none may stand still.
func (r *ring) lacks(ctx context.Context, rec *Record) error {
	if rec == nil {
		return nil
	}
	g, err := r.guard(ctx)
	if err != nil {
		return err
	}
	var others []string
	for _, w := range rec.Wrapped {
		if !g.wraps(w.KEK) && !slices.ContainsFunc(g.old, func(k KEK) bool { return k.ID() == w.KEK }) {
			others = append(others, w.KEK)
		}
	}
	if len(others) > 0 && len(others) < len(rec.Wrapped) {
		return &OtherKEKsError{rec.ID, others}
	}
	return nil
}

// Records lists a purpose's keys as the store has them, oldest first.
func (m *Manager) Records(ctx context.Context, p Purpose) ([]Record, error) {
	if !p.Valid() {
		return nil, &OptionError{"purpose", "is unknown"}
	}
	r, err := m.sharedRing(p)
	if err != nil {
		return nil, err
	}
	return r.records(ctx)
}

func (r *ring) records(ctx context.Context) ([]Record, error) {
	if r.m.store == nil {
		return nil, nil
	}
	records, _, err := r.list(ctx)
	return records, err
}
