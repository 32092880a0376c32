package keys

import (
	"time"
)

// stamp is a moment by both clocks.
type stamp struct{ at time.Time }

func now() stamp { return stamp{time.Now()} }

// passed reports whether d has passed since s, by the monotonic clock or by the
// wall clock. The first stands still while a machine is suspended, the second
// can be set back.
func (s stamp) passed(d time.Duration) bool {
	t := time.Now()
	return t.Sub(s.at) >= d || t.Round(0).Sub(s.at.Round(0)) >= d
}

// tick is how often deadlines are looked at: a twentieth of the shortest.
func (o *Options) tick() time.Duration {
	shortest := min(o.SealLease, o.CacheLife, o.RenewAge)
	if o.RefreshAfter > 0 {
		shortest = min(shortest, o.RefreshAfter)
	}
	return shortest / 20
}

// phase is where a data key is in its life in memory.
type phase uint8

const (
	fresh phase = iota
	due         // serves; is asked for again once it is used
	grace       // past its life; serves, since the KMS is away
	stale       // past its life; serves again once the KMS has answered or is away
)

// confirmed: the KMS gave the key out again.
func (k *dataKey) confirmed(asked stamp) {
	if asked.at.After(k.loaded.at) {
		k.loaded = asked
	}
	k.phase, k.wanted, k.lost, k.tried = fresh, false, false, false
}

// grace is how long past its life a key of the ring may serve. Security codes
// have none: that they are forgotten in time is what was promised.
func (r *ring) grace() time.Duration {
	if r.id.Purpose == CVC {
		return 0
	}
	return r.m.o.Grace
}

// rest has a key past its life serve no more until it was asked for; r.mu is held.
func (r *ring) rest(k *dataKey) {
	k.phase = stale
	r.forgetOpened()
	if r.last != nil && r.last.key == k {
		r.epoch.Store(nil)
	}
}

// expire ends what is past its time, or would be before it is looked at again.
func (r *ring) expire() {
	o := &r.m.o
	r.mu.Lock()
	defer r.mu.Unlock()
	unseen := false
	for _, k := range r.held {
		switch {
		case k.loaded.passed(o.CacheLife + r.grace() - o.tick()):
			r.drop(k)
			continue
		case k.phase == grace || k.phase == stale:
		case r.grace() > 0 && k.loaded.passed(o.CacheLife-o.tick()):
			unseen = true
			if k.phase = grace; !k.lost {
				r.rest(k)
			}
		case k.phase == fresh && o.RefreshAfter > 0 && k.loaded.passed(o.RefreshAfter):
			// Warm calls leave no trace. Whoever still opens with the key is seen once
			// the sealing keys are gone; whoever seals, by the lease that he read.
			unseen = true
			k.phase = due
			k.wanted = r.last != nil && r.last.key == k && r.epoch.Load() != nil
		}
		r.refresh(k)
	}
	if unseen {
		r.forgetOpened()
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
	// The lease of a manager without a store has nobody to ask: it ends with the key.
	if r.m.store != nil && r.read.passed(o.SealLease-o.tick()) || r.own != nil && r.overdue(r.own.created) {
		r.epoch.Store(nil)
	}
}
