package keys

import (
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// opened is the sealing keys that opened records of a ring since a data key was
// last given up. A key is in it only after a record opened under it: otherwise
// whoever sends records with made-up salts could push the real ones out.
type opened struct {
	cache *envelope.Cache // nil where the ring has one scope
	few   [4]atomic.Pointer[envelope.SealingKey]
	next  atomic.Uint32
}

// newOpened makes room for 2,048 sealing keys in the Shared layout. A ring of one
// scope has four: there may be tens of thousands of such rings.
func newOpened(l Layout) *opened {
	if l == PerScope {
		return new(opened)
	}
	return &opened{cache: new(envelope.Cache)}
}

// get returns the sealing key that opens a record in the scope, or nil.
func (c *opened) get(record []byte, scope string) *envelope.SealingKey {
	if c.cache != nil {
		return c.cache.Get(record, scope)
	}
	for i := range c.few {
		if k := c.few[i].Load(); k != nil && k.Matches(record) {
			return k
		}
	}
	return nil
}

// open opens a record under the sealing key that k and the record's salt make,
// and returns that key where it is kept.
func (c *opened) open(k *envelope.ScopeKey, dst, record, aad []byte) (plain []byte, kept *envelope.SealingKey, err error) {
	if c.cache != nil {
		return c.cache.OpenWith(k, dst, record, aad)
	}
	if kept, err = k.SealingKeyFor(record); err != nil {
		return nil, nil, err
	}
	if plain, err = kept.Open(dst, record, aad); err != nil {
		return nil, nil, err
	}
	c.few[c.next.Add(1)%uint32(len(c.few))].Store(kept)
	return plain, kept, nil
}
