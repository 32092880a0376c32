package keys

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// ring is the data keys of one environment and purpose, as this process knows
// them.
type ring struct {
	m  *Manager
	id RingID

	// epoch is what is sealed under now; nil sends the next seal to activate.
	// Every seal loads it, so storing nil ends all leases of counts at once.
	epoch atomic.Pointer[epoch]
	// opened are sealing keys that opened a record; nil once closed.
	opened atomic.Pointer[envelope.Cache]
	work   sync.Pool // *work

	flights singleflight.Group

	mu      sync.Mutex
	last    *epoch   // the epoch to go back to when a lease is read anew
	read    stamp    // when the store last said that epoch's key is active
	turn    uint64   // how often endLease was called: a read begun before does not count
	own     *dataKey // inline mode: the key this process seals under
	held    map[KeyID]*dataKey
	uses    uint64          // look-ups in held so far
	missing map[KeyID]stamp // key IDs the store lacked
	closed  bool
}

// A key ID that the store lacked is not looked up again for missingLife; at most
// missingMax of them are remembered.
const (
	missingLife = 2 * time.Second
	missingMax  = 1024
)

func newRing(m *Manager, id RingID) *ring {
	r := &ring{m: m, id: id, held: map[KeyID]*dataKey{}, missing: map[KeyID]stamp{}}
	r.opened.Store(new(envelope.Cache))
	r.work.New = func() any { return &work{buf: make([]byte, 0, 256)} }
	return r
}

// active returns the epoch to seal under, going to store and KMS where the
// lease, the key or the salt has ended.
func (r *ring) active(ctx context.Context) (*epoch, error) {
	if e := r.epoch.Load(); e != nil {
		return e, nil
	}
	v, err := r.wait(ctx, "active", r.activate)
	if err != nil {
		return nil, err
	}
	return v.(*epoch), nil
}

// wait joins the call of that name or makes it, and leaves when ctx ends.
func (r *ring) wait(ctx context.Context, name string, call func(context.Context) (any, error)) (any, error) {
	if err := ctx.Err(); err != nil {
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
		r.mu.Lock()
		turn := r.turn
		r.mu.Unlock()
		read := now() // before the store answers: the lease runs from the question
		key, err := r.activeKey(ctx)
		if err != nil {
			return nil, err
		}
		e, err := r.begin(key, read, turn)
		if e != nil || err != nil {
			return e, err
		}
	}
	return nil, fmt.Errorf("%w: the ring could not be read within the seal lease", ErrUnavailable)
}

// begin starts an epoch under the key, or goes on with the last one. It returns
// nil where what the store said is out of date already: the KMS took longer than
// the lease lasts, the lease was ended meanwhile, or the key was evicted.
func (r *ring) begin(key *dataKey, read stamp, turn uint64) (*epoch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &r.m.o
	switch {
	case r.closed:
		return nil, ErrClosed
	case r.turn != turn, r.held[key.ref.KeyID] != key,
		r.m.store != nil && read.passed(o.SealLease-o.tick()):
		return nil, nil
	}
	e := r.last
	if e == nil || e.key != key || e.spent() || e.born.passed(o.RenewAge) {
		e = &epoch{key: key, salt: envelope.NewSalt(), born: now()}
	}
	r.last, r.read = e, read
	r.epoch.Store(e)
	return e, nil
}

// expire ends what is past its time, or would be before it is looked at again.
func (r *ring) expire() {
	o := &r.m.o
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.held {
		if k.loaded.passed(o.CacheLife - o.tick()) {
			r.drop(k)
		}
	}
	for id, since := range r.missing {
		if since.passed(missingLife) {
			delete(r.missing, id)
		}
	}
	if r.last != nil && r.last.born.passed(o.RenewAge-o.tick()) {
		r.last = nil
		r.epoch.Store(nil)
	}
	// The lease of a manager without a store has nobody to ask: it does not end.
	if r.m.store != nil && r.read.passed(o.SealLease-o.tick()) {
		r.epoch.Store(nil)
	}
}

// renew makes the next seal draw a new salt.
func (r *ring) renew() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = nil
	r.epoch.Store(nil)
}

// usedUp makes the next seal draw a new salt in place of e's. Of many goroutines
// that find e used up the first does so; the others must not end its successor.
func (r *ring) usedUp(e *epoch) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == e {
		r.last = nil
	}
	r.epoch.CompareAndSwap(e, nil)
}

// endLease ends the lease, so that the next seal reads the store.
func (r *ring) endLease() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turn++
	r.epoch.Store(nil)
}

// drop wipes a key and forgets what came from it; r.mu is held.
func (r *ring) drop(k *dataKey) {
	delete(r.held, k.ref.KeyID)
	k.wipe()
	// All sealing keys go with it. Those of other data keys are derived anew, half
	// a microsecond each; in return no call under way can bring one back.
	r.opened.Store(new(envelope.Cache))
	if r.own == k {
		r.own = nil
	}
	if r.last != nil && r.last.key == k {
		r.last = nil
		r.epoch.Store(nil)
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
