package keys

// What follows keeps the rings of one scope within bounds. A Scope holds its ring
// as long as it lives, so an idle ring is emptied and left out of the count, and
// comes back into it when it is used again.

// ring returns the ring of that name, made on first use.
func (m *Manager) ring(id RingID) (*ring, error) {
	m.mu.Lock()
	if m.rings == nil {
		m.mu.Unlock()
		return nil, ErrClosed
	}
	r := m.rings[id]
	if r == nil {
		r = newRing(m, id)
		m.rings[id] = r
	}
	spare := m.toFront(r)
	m.mu.Unlock()
	spare.empty()
	return r, nil
}

// shared is the ring of a purpose in the Shared layout.
func (m *Manager) sharedRing(p Purpose) (*ring, error) {
	return m.ring(RingID{Environment: m.o.Environment, Purpose: p})
}

// touch notes that a ring is used, and empties the one used longest ago where
// there are too many. No lock may be held.
func (m *Manager) touch(r *ring) error {
	if r.layout() == Shared {
		return nil
	}
	m.mu.Lock()
	if m.rings == nil {
		m.mu.Unlock()
		r.close()
		return ErrClosed
	}
	spare := m.toFront(r)
	m.mu.Unlock()
	spare.empty()
	return nil
}

// toFront returns the ring that has to give way, or nil; m.mu is held.
func (m *Manager) toFront(r *ring) *ring {
	if r.layout() == Shared {
		return nil
	}
	if r.link != nil {
		m.order.MoveToFront(r.link)
		return nil
	}
	r.link = m.order.PushFront(r)
	if m.rings[r.id] == nil {
		m.rings[r.id] = r
	}
	if m.order.Len() <= m.o.CacheRings {
		return nil
	}
	last := m.order.Remove(m.order.Back()).(*ring)
	last.link = nil
	if m.rings[last.id] == last {
		delete(m.rings, last.id)
	}
	return last
}

// snapshot is all rings that may hold something.
func (m *Manager) snapshot() []*ring {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all()
}

// all is snapshot where m.mu is held.
func (m *Manager) all() []*ring {
	all := make([]*ring, 0, len(m.rings))
	for _, r := range m.rings {
		if r.link == nil {
			all = append(all, r)
		}
	}
	for e := m.order.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*ring))
	}
	return all
}

// ringsOf is the rings of that name that may hold something: two where a Scope
// outlived its ring's place and another Scope was made.
func (m *Manager) ringsOf(id RingID) (of []*ring) {
	for _, r := range m.snapshot() {
		if r.id == id {
			of = append(of, r)
		}
	}
	return of
}
