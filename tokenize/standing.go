package tokenize

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// standing is the repository's row as this process last read it. Nobody tells a
// process that the row has changed: each write names the epoch it was planned
// under, and the store refuses it as Outdated where that is no longer the one;
// then the row is read again.
type standing struct {
	epoch   uint64
	version uint64
	state   state
	lookup  atomic.Pointer[lookup] // derived on first use
}

func standingOf(stored *store.Repository) (*standing, error) {
	st, err := decodeState(stored.State)
	if err != nil {
		return nil, err
	}
	return &standing{epoch: stored.Epoch, version: stored.Version, state: st}, nil
}

// reread reads the repository's row and returns what is known now.
func (r *Repository) reread(ctx context.Context) (*standing, error) {
	all, err := r.v.cards.Repositories(ctx)
	if err != nil {
		return nil, wrap(err)
	}
	for i := range all {
		if all[i].Scope == r.scope {
			s, err := standingOf(&all[i])
			if err != nil {
				return nil, err
			}
			return r.install(s), nil
		}
	}
	return nil, damaged("a repository is not there any more")
}

// install makes s what is known, unless something newer is, and returns which.
func (r *Repository) install(s *standing) *standing {
	for {
		old := r.at.Load()
		if old.version >= s.version {
			return old
		}
		if old.epoch == s.epoch && !old.state.empty() {
			s.lookup.CompareAndSwap(nil, old.lookup.Load()) // the same keys
		}
		if r.at.CompareAndSwap(old, s) {
			return s
		}
	}
}

// putState stores another state and epoch in place of s, or fails with
// [store.ErrConflict] where the row is not as it was any more, and with
// [store.ErrFenced] where a key that the state names for the first time must not be
// named any more.
//
// Between reading which key is active and naming it here a process may stand still
// for as long as it takes others to retire that key and to destroy it. So the store
// has the key's fence open in the transaction that names it. [keys.Manager.Destroy]
// closes the fence and takes the census ([Vault.KeyInUse]) only then: a state that was
// stored before names the key to the census, which keeps it, and none is stored after.
// No value is computed under a key before a stored state names it.
func (r *Repository) putState(ctx context.Context, s *standing, to state, epoch uint64, names ...keys.KeyID) (*standing, error) {
	encoded, err := to.encode()
	if err != nil {
		return nil, wrap(err)
	}
	for _, id := range names {
		if err := r.v.openFence(ctx, id); err != nil {
			return nil, err
		}
	}
	err = r.v.cards.UpdateRepository(ctx, store.Repository{Scope: r.scope, State: encoded, Epoch: epoch, Version: s.version}, names...)
	if errors.Is(err, store.ErrFenced) {
		for _, id := range names {
			r.v.forgetFence(id)
		}
	}
	if err != nil {
		return nil, err
	}
	return r.install(&standing{epoch: epoch, version: s.version + 1, state: to}), nil
}

// again prepares another round where a state could not be stored, or returns why there
// is none: it reads what another call stored, or has the ring tell of the key that is
// active now.
func (r *Repository) again(ctx context.Context, ring *keys.Scope, err error) error {
	switch {
	case errors.Is(err, store.ErrConflict):
		_, err = r.reread(ctx)
		return err
	case errors.Is(err, store.ErrFenced):
		ring.Refresh()
		return nil
	}
	return wrap(err)
}

// stuck is the error of a call whose every round was in vain, the last one for err.
func stuck(err error) *Error {
	if errors.Is(err, store.ErrFenced) {
		return errFenced()
	}
	return conflict()
}

// writtenDown returns a standing that names its keys: what is known, or what this
// call writes down.
//
// The epoch is raised with it, so that a writer that does not know of states, or
// read the empty one, is refused. In a store that takes no writes nothing can
// change, and the state is worked under as it would be written.
func (r *Repository) writtenDown(ctx context.Context) (*standing, error) {
	var vain error
	for range maxRounds {
		s := r.at.Load()
		if !s.state.empty() {
			return s, nil
		}
		id, names, err := r.firstKey(ctx)
		if err != nil {
			return nil, wrap(err)
		}
		to := state{phase: Settled, index: []keys.KeyID{id}, read: id, digest: id}
		if s, vain = r.putState(ctx, s, to, s.epoch+1, names...); vain == nil {
			return s, nil
		}
		if errors.Is(vain, store.ErrReadOnly) {
			return &standing{state: to}, nil
		}
		if err := r.again(ctx, r.index, vain); err != nil {
			return nil, err
		}
	}
	return nil, stuck(vain)
}

// firstKey is the index key of a repository whose state is empty: the one its
// rows were indexed under, whatever became of the ring meanwhile; without such
// rows the ring's active one, which then is named for the first time. Rows name
// theirs to a census, which may have closed its fence and kept it.
func (r *Repository) firstKey(ctx context.Context) (id keys.KeyID, names []keys.KeyID, err error) {
	if id, err = r.v.indexedUnder(ctx, r.scope); err != nil || !id.IsZero() {
		return id, nil, err
	}
	id, err = r.index.ActiveKey(ctx)
	return id, []keys.KeyID{id}, err
}

// pinned returns the data key of a purpose that this repository keeps for good:
// the ring's active one when it was first asked for. Of processes that ask at
// once one writes it down and the others take that.
func (r *Repository) pinned(ctx context.Context, p keys.Purpose) (keys.KeyID, error) {
	if id, ok := r.at.Load().state.pins[p]; ok {
		return id, nil
	}
	ring, err := r.ring(p)
	if err != nil {
		return keys.KeyID{}, err
	}
	var vain error
	for range maxRounds {
		s, err := r.writtenDown(ctx)
		if err != nil {
			return keys.KeyID{}, err
		}
		if id, ok := s.state.pins[p]; ok {
			return id, nil
		}
		id, err := ring.ActiveKey(ctx)
		if err != nil {
			return keys.KeyID{}, wrap(err)
		}
		if _, vain = r.putState(ctx, s, s.state.pinning(p, id), s.epoch, id); vain == nil {
			return id, nil
		}
		if err := r.again(ctx, ring, vain); err != nil {
			return keys.KeyID{}, err
		}
	}
	return keys.KeyID{}, stuck(vain)
}

// replace writes rows in place of the versions they were read at, under whatever
// epoch holds. It is for changes that leave a row's index values as they are, or
// drop all of them: those need no index key, and are the same under every epoch.
func (r *Repository) replace(ctx context.Context, writes ...store.Write) ([]store.Outcome, error) {
	return r.replaceIn(ctx, nil, writes...)
}

// replaceIn is replace in one transaction with a job's state.
func (r *Repository) replaceIn(ctx context.Context, job *store.Job, writes ...store.Write) ([]store.Outcome, error) {
	for range maxRounds {
		epoch := r.at.Load().epoch
		for i := range writes {
			writes[i].Epoch = epoch
		}
		out, err := r.v.cards.Write(ctx, writes, job)
		if err != nil {
			return nil, wrap(err)
		}
		if !slices.ContainsFunc(out, func(o store.Outcome) bool { return o.Result == store.Outdated }) {
			return out, nil
		}
		if _, err := r.reread(ctx); err != nil {
			return nil, err
		}
	}
	return nil, conflict()
}

// IndexStatus says by which keys the repository finds its cards, as the store
// has it now.
func (r *Repository) IndexStatus(ctx context.Context) (IndexStatus, error) {
	s, err := r.reread(ctx)
	if err != nil {
		return IndexStatus{}, err
	}
	return s.state.status(), nil
}
