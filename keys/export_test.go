package keys

import (
	"context"
	"time"
	"unsafe"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// What the external tests see of a manager's inside. The tests are external,
// since the stores they use import this package.

func (m *Manager) ringFor(p Purpose) *ring {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rings[RingID{Environment: m.o.Environment, Purpose: p}]
}

// HeldKeys is how many data keys a ring has in memory.
func HeldKeys(m *Manager, p Purpose) int {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.held)
}

// HeldByScope is the same, seen from a scope whose manager was closed.
func HeldByScope(s *Scope) int {
	s.ring.mu.Lock()
	defer s.ring.mu.Unlock()
	return len(s.ring.held)
}

// MissingKeys is how many key IDs a ring remembers as unknown.
func MissingKeys(m *Manager, p Purpose) int {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.missing)
}

// CachedSealingKey reports whether the ring keeps the sealing key of a record.
func CachedSealingKey(m *Manager, p Purpose, scope string, record []byte) bool {
	return m.ringFor(p).opened.Load().get(record, scope) != nil
}

// HeldKey reports whether a data key is in memory.
func HeldKey(m *Manager, p Purpose, id KeyID) bool {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.held[id] != nil
}

// Evict drops a data key as a full cache or the end of its life would.
func Evict(m *Manager, p Purpose, id KeyID) {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	if k := r.held[id]; k != nil {
		r.drop(k)
	}
}

// Leased reports whether a seal would find its data key without asking.
func Leased(m *Manager, p Purpose) bool { return m.ringFor(p).epoch.Load() != nil }

// InUse has whoever wipes a data key wait until it is let go.
func InUse(m *Manager, p Purpose, id KeyID) (letGo func()) {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.held[id]
	k.mu.Lock()
	return k.mu.Unlock
}

// Peek returns what a data key in memory reveals: nothing once it was wiped.
func Peek(m *Manager, p Purpose, id KeyID) func() (raw []byte, scopes int) {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.held[id]
	return func() ([]byte, int) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.bytes.Reveal(nil), len(k.scopes)
	}
}

// LeaveCounts has the ring's present salt end after n more records.
func LeaveCounts(m *Manager, p Purpose, n int64) {
	m.ringFor(p).epoch.Load().reserved.Store(envelope.Limit - n)
}

// NearLimit has the ring's present salt end after left more records, and says how many
// that makes in all at most. It is false where nobody seals, or the salt is near its end.
func NearLimit(m *Manager, p Purpose, left int64) (salt envelope.Salt, most int64, ok bool) {
	r := m.ringFor(p)
	if r == nil {
		return salt, 0, false
	}
	e := r.epoch.Load()
	if e == nil {
		return salt, 0, false
	}
	before := e.reserved.Load()
	if before > envelope.Limit/2 || !e.reserved.CompareAndSwap(before, envelope.Limit-left) {
		return salt, 0, false
	}
	return e.salt, before + left, true
}

// UsedUp returns the news that the ring's present salt is used up.
func UsedUp(m *Manager, p Purpose) func() {
	r := m.ringFor(p)
	e := r.epoch.Load()
	return func() { r.usedUp(e) }
}

// CountBlock is how many counts a caller reserves at a time.
const CountBlock = leaseBlock

// WorkBuffer is what the last Seal or Open on this processor worked in.
func WorkBuffer(s *Scope) []byte {
	w := s.ring.work.Get().(*work)
	defer s.ring.giveBack(w)
	return append([]byte(nil), w.buf[:cap(w.buf)]...)
}

// Expire looks at deadlines now, as the watching goroutine does in its time.
func Expire(m *Manager) {
	for _, r := range m.snapshot() {
		r.expire()
	}
}

// AgeKey makes a data key in memory older by the wall clock, the monotonic clock
// or both, as a machine that was suspended or whose clock was set would.
func AgeKey(m *Manager, p Purpose, id KeyID, wall, monotonic time.Duration) {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	age(&r.held[id].loaded, wall, monotonic)
}

// AgeLease does the same to the moment the store was last read.
func AgeLease(m *Manager, p Purpose, wall, monotonic time.Duration) {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	age(&r.read, wall, monotonic)
}

// AgeSalt does the same to the moment the salt was drawn.
func AgeSalt(m *Manager, p Purpose, wall, monotonic time.Duration) {
	r := m.ringFor(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	age(&r.last.born, wall, monotonic)
}

// age moves the two clocks of a stamp apart, for which package time has no call:
// the monotonic reading is the second word of a time.Time.
func age(s *stamp, wall, monotonic time.Duration) {
	s.at = s.at.Add(-wall)
	ext := &(*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&s.at)).ext
	*ext += int64(wall - monotonic)
}

// Rings is how many rings of one scope may hold keys in memory.
func Rings(m *Manager) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.order.Len()
}

// PeekScope is Peek for a scope's ring.
func PeekScope(s *Scope, id KeyID) func() (raw []byte, scopes int) {
	s.ring.mu.Lock()
	k := s.ring.held[id]
	s.ring.mu.Unlock()
	return func() ([]byte, int) {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.bytes.Reveal(nil), len(k.scopes)
	}
}

// AgeAll makes every data key in memory older, and EvictAll drops them.
func AgeAll(m *Manager, by time.Duration) {
	for _, r := range m.snapshot() {
		r.mu.Lock()
		for _, k := range r.held {
			age(&k.loaded, by, by)
		}
		r.mu.Unlock()
	}
}

// EvictAll: see AgeAll.
func EvictAll(m *Manager) {
	for _, r := range m.snapshot() {
		r.empty()
	}
}

// ActiveUntold reads the ring's active key in a call that others join, and that ends
// once gate is closed.
func ActiveUntold(s *Scope, gate <-chan struct{}) {
	s.ring.flights.DoChan("active", s.ring.m.shared(context.Background(), func(ctx context.Context) (any, error) {
		v, err := s.ring.activate(ctx)
		<-gate
		return v, err
	}))
}

// ReplaceOwn has an inline ring make its next data key, and not yet seal under it.
func ReplaceOwn(ctx context.Context, m *Manager, p Purpose) error {
	r := m.ringFor(p)
	_, err := r.inlineKey(ctx, r.moment())
	return err
}
