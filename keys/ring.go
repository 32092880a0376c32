package keys

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"
)

// ring is the data keys of one environment and purpose, and of one scope in the
// PerScope layout, as this process knows them.
type ring struct {
	m  *Manager
	id RingID

	// epoch is what is sealed under now; nil sends the next seal to activate.
	// Every seal loads it, so storing nil ends all leases of counts at once.
	epoch atomic.Pointer[epoch]
	// opened are sealing keys that opened a record; nil once closed.
	opened atomic.Pointer[opened]
	work   *sync.Pool // *work; the manager's where the ring has one scope

	flights singleflight.Group

	mu      sync.Mutex
	last    *epoch   // the epoch to go back to when a lease is read anew
	read    stamp    // when the store last said that epoch's key is active
	turn    uint64   // how often the lease was ended: a read begun before does not count
	own     *dataKey // inline mode: the key this process seals under
	guarded *guard   // PerScope layout: the scope's own KEKs, once known
	held    map[KeyID]*dataKey
	uses    uint64          // look-ups in held so far
	missing map[KeyID]stamp // key IDs the store lacked
	closed  bool

	// Keys that were ended, and when: by the count of cuts. What was ended before
	// cutFloor is no longer known one by one.
	cuts, cutFloor uint64
	cutAt          map[KeyID]uint64

	link *list.Element // in the manager's order of rings; guarded by its mutex
}

// A key ID that the store lacked is not looked up again for missingLife; at most
// missingMax of them are remembered.
const (
	missingLife = 2 * time.Second
	missingMax  = 1024
)

func newRing(m *Manager, id RingID) *ring {
	r := &ring{m: m, id: id, held: map[KeyID]*dataKey{}, work: &m.work}
	if r.layout() == Shared {
		r.work = &sync.Pool{New: newWork}
	}
	r.forgetOpened()
	return r
}

func (r *ring) forgetOpened() { r.opened.Store(newOpened(r.layout())) }

// active returns the epoch to seal under, going to store and KMS where the
// lease, the key or the salt has ended.
func (r *ring) active(ctx context.Context) (*epoch, error) {
	if e := r.epoch.Load(); e != nil {
		return e, nil
	}
	called := r.moment()
	for {
		v, err := r.wait(ctx, "active", r.activate)
		if err != nil {
			return nil, err
		}
		// A call that joins another one's may have ended the lease that this one read.
		if a := v.(activation); a.turn >= called.turn {
			return a.epoch, nil
		}
	}
}

// activation is what came of a call to activate.
type activation struct {
	epoch *epoch
	turn  uint64 // of the lease
}

// wait joins the call of that name or makes it, and leaves when ctx ends.
func (r *ring) wait(ctx context.Context, name string, call func(context.Context) (any, error)) (any, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := r.m.touch(r); err != nil {
		return nil, err
	}
	select {
	case res := <-r.flights.DoChan(name, r.m.shared(ctx, call)):
		return res.Val, res.Err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (r *ring) activate(ctx context.Context) (any, error) {
	for range maxConflicts {
		m := r.moment() // before the store answers: the lease runs from the question
		key, err := r.activeKey(ctx, m)
		if errors.Is(err, errEvicted) {
			continue
		}
		if err != nil {
			return nil, err
		}
		e, err := r.begin(key, m)
		if err != nil {
			return nil, err
		}
		if e != nil {
			return activation{e, m.turn}, nil
		}
	}
	return nil, fmt.Errorf("%w: the ring could not be read within the seal lease", ErrUnavailable)
}

// begin starts an epoch under the key, or goes on with the last one. It returns
// nil where what the store said is out of date already: the KMS took longer than
// the lease lasts, the lease was ended meanwhile, or the key was evicted.
func (r *ring) begin(key *dataKey, m moment) (*epoch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &r.m.o
	switch {
	case r.closed:
		return nil, ErrClosed
	case r.turn != m.turn, r.held[key.ref.KeyID] != key, key.phase == stale,
		r.m.store != nil && m.passed(o.SealLease-o.tick()):
		return nil, nil
	}
	e := r.last
	if e == nil || e.key != key || e.spent() || e.born.passed(o.RenewAge) {
		e = newEpoch(key)
	}
	r.last, r.read = e, m.stamp
	r.epoch.Store(e)
	return e, nil
}

// renew draws a new salt.
func (r *ring) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next()
}

// usedUp draws a new salt in place of e's. Of many goroutines that find e used up the
// first does so; the others must not end its successor.
func (r *ring) usedUp(e *epoch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch e {
	case r.epoch.Load():
		r.next()
	case r.last:
		r.last = nil
	}
}

// next starts another epoch under the key that is sealed under, whose life and lease go
// on as they are. Where those are over, as after a snapshot was restored, the next seal
// starts it; r.mu is held.
func (r *ring) next() {
	o, e := &r.m.o, r.epoch.Load()
	r.last = nil
	if e != nil && e.key.phase != stale && !e.key.loaded.passed(o.CacheLife-o.tick()) && !r.overdue(e.key.created) &&
		(r.m.store == nil || !r.read.passed(o.SealLease-o.tick())) {
		r.last = newEpoch(e.key)
	}
	r.epoch.Store(r.last)
}

// endLease ends the lease, so that the next seal reads the store.
func (r *ring) endLease() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn++
	r.epoch.Store(nil)
}

// empty wipes all that the ring, if any, holds. It may be used again.
func (r *ring) empty() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.held {
		r.drop(k)
	}
	r.missing, r.guarded = nil, nil
}

// drop wipes a key and forgets what came from it; r.mu is held.
func (r *ring) drop(k *dataKey) {
	delete(r.held, k.ref.KeyID)
	// Before it is wiped: seals take no lock, and one that meets a wiped key in the
	// epoch would meet it at each of its tries.
	if r.last != nil && r.last.key == k {
		r.last = nil
		r.epoch.Store(nil)
	}
	k.wipe()
	// All sealing keys go with it. Those of other data keys are derived anew, half
	// a microsecond each; in return no call under way can bring one back.
	r.forgetOpened()
	if r.own == k {
		r.own = nil
	}
}

func (r *ring) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed, r.last, r.own = true, nil, nil
	r.epoch.Store(nil)
	r.opened.Store(nil)
	for _, k := range r.held {
		k.wipe()
	}
	clear(r.held)
}
