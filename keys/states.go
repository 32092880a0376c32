package keys

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// ErrNoStates: the manager is an inline one, whose keys have no states.
var ErrNoStates = errors.New("keys: inline keys have no states")

// StateError is a change that a data key's present state does not allow. For a
// destroyed key it also is [ErrDisabled].
type StateError struct {
	Key      KeyID
	From, To State
}

func (e *StateError) Error() string {
	return fmt.Sprintf("keys: data key %v is %v and cannot become %v", e.Key, e.From, e.To)
}

// Unwrap is ErrDisabled for a destroyed key.
func (e *StateError) Unwrap() error {
	if e.From == Destroyed {
		return ErrDisabled
	}
	return nil
}

// legal are the states that each state is reached from. A key that was retired or
// disabled never becomes active again: only so does a wait for the seal lease,
// once over, stay over.
var legal = map[State][]State{
	Retired:   {Active, Disabled},
	Disabled:  {Active, Retired},
	Destroyed: {Retired, Disabled},
}

// Retire takes the active key of its ring out of use for sealing; it goes on
// opening. The next seal makes a new key: [Manager.Rotate] does both in one step.
// Other processes seal under it for at most their seal lease.
//
// This and the other changes of state are made in the store by compare-and-swap,
// hold in this process at once, and are no error where the key is in that state
// already. A key of another environment is [ErrNotFound]. The active index key is
// refused with [ErrNotRotatable]: [Manager.RotateIndex] replaces it first.
func (m *Manager) Retire(ctx context.Context, id KeyID) error {
	return m.change(ctx, id, Retired, Active)
}

// Disable takes a key out of use until [Manager.Enable]. Other processes go on
// opening with it until they ask again: after RefreshAfter where that is set and
// the key is in use, when they next read the ring to seal, and at the latest when
// CacheLife and Grace are over.
func (m *Manager) Disable(ctx context.Context, id KeyID) error {
	return m.change(ctx, id, Disabled, Active, Retired)
}

// Enable makes a disabled key open again. It does not seal again, whatever it was
// before.
func (m *Manager) Enable(ctx context.Context, id KeyID) error {
	return m.change(ctx, id, Retired, Disabled)
}

func (m *Manager) change(ctx context.Context, id KeyID, to State, from ...State) error {
	return m.during(ctx, func(ctx context.Context) error {
		_, err := m.swap(ctx, id, to, from)
		return err
	})
}

// swap changes a key's state and returns its record.
func (m *Manager) swap(ctx context.Context, id KeyID, to State, from []State) (Record, error) {
	for range maxConflicts {
		rec, version, err := m.find(ctx, id)
		if err != nil {
			return rec, err
		}
		if rec.State == to {
			m.heed(ctx, rec)
			return rec, nil
		}
		if !slices.Contains(from, rec.State) || !slices.Contains(legal[to], rec.State) {
			return rec, &StateError{id, rec.State, to}
		}
		if rec.State == Active && rec.Ring.Purpose == Index {
			return rec, errIndex // the next look-up would make another
		}
		rec.State, rec.Changed = to, time.Now().UTC().Truncate(time.Second)
		if to == Destroyed {
			rec.Wrapped = nil
		}
		err = m.store.CompareAndSwap(ctx, rec.Ring, version, []Record{rec})
		if errors.Is(err, ErrConflict) {
			continue
		}
		m.heed(ctx, rec) // also where the answer was lost: it costs a look at the store
		if err != nil {
			return rec, fmt.Errorf("keys: store data key %v: %w", id, err)
		}
		m.tell(ctx, Event{Kind: StateChanged, Ring: rec.Ring, Key: id, State: to})
		return rec, nil
	}
	return Record{}, fmt.Errorf("keys: change data key %v: %w", id, ErrConflict)
}

// find reads a key's record together with the version of its ring.
func (m *Manager) find(ctx context.Context, id KeyID) (Record, uint64, error) {
	if m.store == nil {
		return Record{}, 0, ErrNoStates
	}
	rec, err := m.store.Get(ctx, id)
	if err == nil && rec.Ring.Environment != m.o.Environment {
		err = ErrNotFound
	}
	if err != nil {
		return rec, 0, fmt.Errorf("keys: read data key %v: %w", id, err)
	}
	list, version, err := m.store.List(ctx, rec.Ring)
	if err != nil {
		return rec, 0, fmt.Errorf("keys: read ring: %w", err)
	}
	i := slices.IndexFunc(list, func(r Record) bool { return r.ID == id })
	if i < 0 {
		return rec, 0, fmt.Errorf("keys: read data key %v: %w", id, ErrNotFound)
	}
	return list[i], version, nil
}

// heed makes this process follow a key's new state.
func (m *Manager) heed(ctx context.Context, rec Record) {
	for _, r := range m.ringsOf(rec.Ring) {
		if rec.usable() {
			r.endLease()
			continue
		}
		r.mu.Lock()
		r.cut(rec.ID)
		r.mu.Unlock()
		r.tell(ctx, Event{Kind: Ended, Key: rec.ID})
	}
}

// during runs a call that Close ends and waits for, within the caller's context.
func (m *Manager) during(ctx context.Context, call func(context.Context) error) error {
	m.mu.Lock()
	if m.rings == nil {
		m.mu.Unlock()
		return ErrClosed
	}
	m.flying.Add(1)
	m.mu.Unlock()
	defer m.flying.Done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(m.life, cancel)()
	err := call(ctx)
	if err != nil && m.life.Err() != nil {
		return ErrClosed
	}
	return err
}
