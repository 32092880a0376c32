package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// DestroyOptions says how [Manager.Destroy] makes sure. The zero value is refused:
// it takes a census or the word that records may be lost.
type DestroyOptions struct {
	// CloseFence has the card store refuse, from its return on, every transaction
	// that writes a record sealed under the key. nil where there is no such store;
	// then nothing but the seal lease keeps a process that was stopped for long from
	// writing one.
	CloseFence func(ctx context.Context, id KeyID) error
	// Census counts the records that need the key. It is taken after the fence is
	// closed, so that the count can only fall; where it fails the key stays, with Shred
	// too. A card vault's is tokenize.Vault.KeyInUse. Count beforehand as well: the
	// fence of a key that is refused here is closed by then, and records behind it can
	// be read and deleted but hardly changed.
	Census func(ctx context.Context, id KeyID) (uint64, error)
	// Shred destroys the key although records need it: they are lost.
	Shred bool
	// SealLease is the longest lease of all processes that use the key store.
	// Default the manager's own.
	SealLease time.Duration
	// Serve is the longest CacheLife and Grace together of all those processes.
	// Default the manager's own.
	Serve time.Duration
	// Skew is how far their clocks may lie apart, and how long the store may take to
	// carry a change out. Default a minute; give a second at least, since a key's times
	// are whole ones.
	Skew time.Duration
	// DestroyKEK first asks the KMS to destroy the KEKs that [Options.KEKFor] names
	// for the key's scope, and with them all that they guard: every other key of the
	// scope, active ones too, in every purpose. No census here counts what needs those,
	// so it takes Shred as well. Processes that hold one of them in memory go on sealing
	// what nobody will open: end them, or disable those keys, beforehand. Only
	// in the PerScope layout, and only where each of them is a [Destroyer]. The
	// receipt promises [KEKGone] where no other KEK wraps the key. A key that was
	// moved here by [Scope.Rewrap] was wrapped by another before, which nothing here
	// remembers: rotate a scope that gets KEKs of its own, rather than rewrap it.
	DestroyKEK bool
}

// EarlyError: the key may still seal somewhere. Try again after Until.
type EarlyError struct {
	Key   KeyID
	Until time.Time
}

func (e *EarlyError) Error() string {
	return fmt.Sprintf("keys: data key %v may be sealed under until %v", e.Key, e.Until.Format(time.RFC3339))
}

// InUseError: records need the key, and nobody said they may be lost.
type InUseError struct {
	Key     KeyID
	Records uint64
}

func (e *InUseError) Error() string {
	return fmt.Sprintf("keys: %d records need data key %v", e.Records, e.Key)
}

// Destroy erases a key's wrapped forms from the store, so that what it sealed
// opens in no process after Receipt.LastUse. What can be said of copies of the
// store is in the receipt and nowhere else.
//
// The key must be retired or disabled, for as long as a seal lease and the skew of
// clocks; until then the error is an [EarlyError]. Then the fence is closed, then
// the census taken; where records need the key it is an [InUseError], unless Shred
// is set. A key that is destroyed already gives a receipt again, with a later LastUse,
// the promise [CopiesGone], and the census and Shred of that call, so a call whose
// answer was lost is made once more.
func (m *Manager) Destroy(ctx context.Context, id KeyID, o DestroyOptions) (receipt Receipt, err error) {
	if o.Census == nil && !o.Shred {
		return receipt, &OptionError{"Census", "must be given unless Shred is set"}
	}
	if o.DestroyKEK && !o.Shred {
		return receipt, &OptionError{"DestroyKEK", "needs Shred, since all other keys of the scope are lost with its KEKs"}
	}
	if o.SealLease < 0 || o.Serve < 0 || o.Skew < 0 {
		return receipt, &OptionError{"Skew", "and SealLease and Serve must not be negative"}
	}
	err = m.during(ctx, func(ctx context.Context) error {
		receipt, err = m.destroy(ctx, id, o)
		return err
	})
	if err != nil {
		return Receipt{}, err
	}
	return receipt, nil
}

func (m *Manager) destroy(ctx context.Context, id KeyID, o DestroyOptions) (Receipt, error) {
	rec, _, err := m.find(ctx, id)
	if err != nil {
		return Receipt{}, err
	}
	r, err := m.ring(rec.Ring)
	if err != nil {
		return Receipt{}, err
	}
	if o.SealLease == 0 {
		o.SealLease = m.o.SealLease
	}
	if o.Serve == 0 {
		o.Serve = m.o.CacheLife + r.grace()
	}
	if o.Skew == 0 {
		o.Skew = time.Minute
	}
	var shred []KEK
	if o.DestroyKEK {
		if shred, err = r.ownKEKs(ctx); err != nil {
			return Receipt{}, err
		}
	}
	switch rec.State {
	case Retired, Disabled:
		if until := rec.Changed.Add(o.SealLease + o.Skew); time.Now().Before(until) {
			return Receipt{}, &EarlyError{id, until}
		}
	case Destroyed:
	default:
		return Receipt{}, &StateError{id, rec.State, Destroyed}
	}
	receipt := Receipt{Key: id, Ring: rec.Ring, Shredded: o.Shred, Promise: CopiesGone}
	if o.CloseFence != nil {
		if err := o.CloseFence(ctx, id); err != nil {
			return Receipt{}, fmt.Errorf("keys: close the fence of data key %v: %w", id, err)
		}
	}
	if o.Census != nil {
		if receipt.Records, err = o.Census(ctx, id); err != nil {
			return Receipt{}, fmt.Errorf("keys: count the records of data key %v: %w", id, err)
		}
		if receipt.Records > 0 && !o.Shred && rec.State != Destroyed {
			return Receipt{}, &InUseError{id, receipt.Records}
		}
	}
	for _, k := range shred {
		err := m.inTime(ctx, func(ctx context.Context) error {
			return r.kms(ctx, 1, k, OpDestroy, id, k.(Destroyer).Destroy)
		})
		// One that was asked before says that it is no more, or on its way.
		if err != nil && !errors.Is(err, ErrNotFound) && !errors.Is(err, ErrDisabled) {
			return Receipt{}, fmt.Errorf("keys: destroy KEK %s: %w", k.ID(), err)
		}
	}
	if onlyBy(rec.Wrapped, shred) {
		receipt.Promise = KEKGone
		for _, k := range shred {
			receipt.KEKs = append(receipt.KEKs, k.ID())
		}
	}
	if rec, err = m.swap(ctx, id, Destroyed, legal[Destroyed]); err != nil {
		return Receipt{}, err
	}
	receipt.Destroyed = rec.Changed
	receipt.LastUse = time.Now().UTC().Add(o.Serve + o.Skew + time.Second - 1).Truncate(time.Second)
	return receipt, nil
}

// onlyBy reports whether a key is wrapped, and by none but the KEKs given.
func onlyBy(wrapped []Wrapping, keks []KEK) bool {
	return len(wrapped) > 0 && !slices.ContainsFunc(wrapped, func(w Wrapping) bool {
		return !slices.ContainsFunc(keks, func(k KEK) bool { return k.ID() == w.KEK })
	})
}

// ownKEKs are the KEKs of the ring's scope, where they are its own and all of them
// can be destroyed.
func (r *ring) ownKEKs(ctx context.Context) ([]KEK, error) {
	g, err := r.guard(ctx)
	if err != nil {
		return nil, err
	}
	if g == r.m.guard {
		return nil, &OptionError{"DestroyKEK", "needs a ring of one scope with KEKs of its own"}
	}
	for _, k := range g.keks {
		if _, ok := k.(Destroyer); !ok {
			return nil, &OptionError{"DestroyKEK", "needs KEKs that can be destroyed"}
		}
	}
	return g.keks, nil
}
