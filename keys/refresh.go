package keys

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// maxRefreshes is how many data keys a manager asks for again at once. The others
// wait their turn, and serve meanwhile.
const maxRefreshes = 8

// maxCuts bounds the ended keys that a ring remembers, for loads still under way.
const maxCuts = 256

// refresh has a key in use asked for again in the background, where it is time;
// r.mu is held. A key that could not be asked for is tried again at the watching
// goroutine's next look and not before, however many scopes look it up meanwhile:
// in an outage each of them would start another set of tries.
func (r *ring) refresh(k *dataKey) {
	if k.phase != due && k.phase != grace || !k.wanted || k.busy {
		return
	}
	k.busy = true
	r.m.background(func(ctx context.Context) { r.askAgain(ctx, k) })
}

func (r *ring) askAgain(ctx context.Context, k *dataKey) {
	m := r.moment()
	err := r.m.inTime(ctx, func(ctx context.Context) error { return r.confirm(ctx, k, m) })
	ended := false
	r.mu.Lock()
	k.busy = false
	if r.held[k.ref.KeyID] == k && err != nil {
		k.lost, k.tried = unreachable(err), true
		if ended = refusal(err); ended {
			r.cut(k.ref.KeyID)
		} else if k.phase == grace && !k.lost {
			r.rest(k) // the KMS is there, and did not give the key
		}
	}
	inGrace := k.phase == grace
	r.mu.Unlock()
	r.tell(ctx, Event{Kind: Refreshed, Key: k.ref.KeyID, Err: err, Took: time.Since(m.at)})
	switch {
	case ended:
		r.tell(ctx, Event{Kind: Ended, Key: k.ref.KeyID, Err: err})
	case inGrace:
		r.tell(ctx, Event{Kind: Grace, Key: k.ref.KeyID, Err: err})
	}
}

// confirm asks store and KMS for a key in memory as if it were not there.
func (r *ring) confirm(ctx context.Context, k *dataKey, m moment) error {
	ref, created := k.ref, k.created
	wrapped := r.inlineWrapping(ref.Wrapped)
	if r.m.store != nil {
		rec, err := r.record(ctx, ref.KeyID)
		if err != nil {
			return err
		}
		created, wrapped = rec.Created, rec.Wrapped
	}
	_, err := r.unwrapNow(ctx, ref, created, wrapped, m)
	return err
}

// inGrace returns a stale key that may serve although the load that should have
// replaced it failed, and ends it where that load was refused.
func (r *ring) inGrace(ctx context.Context, ref envelope.Reference, err error) *dataKey {
	var e *Event
	r.mu.Lock()
	k := r.held[ref.KeyID]
	switch {
	case k == nil || string(k.ref.Wrapped) != string(ref.Wrapped): // a forged record has no say
		k = nil
	case refusal(err):
		r.cut(ref.KeyID)
		e, k = &Event{Kind: Ended, Key: ref.KeyID, Err: err}, nil
	case unreachable(err) && k.phase != fresh && r.grace() > 0:
		if k.phase == stale {
			k.phase, k.lost, k.wanted, k.tried = grace, true, true, true
			e = &Event{Kind: Grace, Key: ref.KeyID, Err: err}
		}
	default:
		k = nil
	}
	r.mu.Unlock()
	if e != nil {
		r.tell(ctx, *e)
	}
	return k
}

// cut ends a key for good: disabled, denied, destroyed or lost. Loads that began
// before do not bring it back; r.mu is held.
func (r *ring) cut(id KeyID) {
	r.cuts++
	if len(r.cutAt) >= maxCuts {
		clear(r.cutAt)
		r.cutFloor = r.cuts
	}
	if r.cutAt == nil {
		r.cutAt = map[KeyID]uint64{}
	}
	r.cutAt[id] = r.cuts
	if k := r.held[id]; k != nil {
		r.drop(k)
	}
	r.turn++
	r.epoch.Store(nil)
}

// cutSince reports whether a key was, or may have been, ended since m; r.mu is
// held.
func (r *ring) cutSince(id KeyID, m moment) bool {
	return r.cutAt[id] > m.cuts || r.cutFloor > m.cuts
}

// heed ends what the ring's records, just read, say is out of use.
func (r *ring) heed(ctx context.Context, records []Record) {
	var ended []KeyID
	r.mu.Lock()
	for i := range records {
		if id := records[i].ID; r.held[id] != nil && !records[i].usable() {
			r.cut(id)
			ended = append(ended, id)
		}
	}
	r.mu.Unlock()
	for _, id := range ended {
		r.tell(ctx, Event{Kind: Ended, Key: id})
	}
}

// usable reports whether the key may open.
func (rec *Record) usable() bool { return rec.State == Active || rec.State == Retired }

// background runs f now or when one of maxRefreshes is done. It takes m.mu, which
// may be taken under a ring's mutex, never the other way round.
func (m *Manager) background(f func(context.Context)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.rings == nil:
	case m.refreshing == maxRefreshes:
		m.queue = append(m.queue, f)
	default:
		m.refreshing++
		m.flying.Go(func() { m.drain(f) })
	}
}

func (m *Manager) drain(f func(context.Context)) {
	for f != nil {
		f(m.life)
		m.mu.Lock()
		f = nil
		if len(m.queue) > 0 && m.rings != nil {
			f, m.queue = m.queue[0], m.queue[1:]
		} else {
			m.refreshing--
		}
		m.mu.Unlock()
	}
}
