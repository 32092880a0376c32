package envelope

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"
)

// Shape of a [Cache]: a table of small sets, so that a look-up touches one set
// and the table never grows.
const (
	cacheWays = 4
	cacheSets = 512
)

// Cache holds sealing keys for opening, 2,048 at most, and is read without a
// lock. Salts and commitments are random, so eight bytes of both pick the set
// and nothing is hashed. The zero value is ready; it is safe for concurrent use.
//
// One Cache serves one environment and purpose: [Cache.Get] compares the scope
// alone.
//
// A key belongs in it only after a record opened under it. Otherwise whoever
// sends records with made-up salts could push the real keys out. Keys are not
// taken out one by one: whoever gives up a data key gives up the cache, and a
// call still under way then adds to what nobody reads any more.
type Cache struct {
	sets [cacheSets][cacheWays]atomic.Pointer[SealingKey]
	seen [cacheSets]atomic.Uint64 // per set, which key opened a record last without being kept
	next atomic.Uint32            // which way of a full set is given up next
}

// OpenWith opens a record under the sealing key that k and the record's salt
// make, and keeps that key once a second record opened under it, so that a sweep
// over records each with a salt of its own pushes nothing out. It returns the key
// if it is kept now, else nil. The spare capacity of dst is overwritten; see
// [SealingKey.Open] for the rest.
func (c *Cache) OpenWith(k *ScopeKey, dst, record, aad []byte) (plain []byte, kept *SealingKey, err error) {
	aead, salt, err := k.cipherFor(dst, record)
	if err != nil {
		return nil, nil, err
	}
	if plain, err = aead.Open(dst, nil, record[len(k.prefix)+SaltSize:], aad); err != nil {
		return nil, nil, ErrOpen
	}
	word := cacheWord(k.prefix, salt[:])
	if seen := &c.seen[word%cacheSets]; seen.Swap(word) != word {
		return plain, nil, nil
	}
	s := k.keyOf(aead, salt)
	c.Add(s)
	return plain, s, nil
}

// Get returns the sealing key that opens a record in the scope, or nil. The
// record's whole prefix (suite, key reference, commitment, salt) was compared
// with the key's.
func (c *Cache) Get(record []byte, scope string) *SealingKey {
	n := prefixSize(record)
	if n == 0 {
		return nil
	}
	set := c.set(record[:n])
	for i := range set {
		// The scope has to be compared too: the header names it only through the
		// commitment, and a caller of another scope may hold the same record.
		if k := set[i].Load(); k != nil && k.Matches(record) && k.scope.place.Scope == scope {
			return k
		}
	}
	return nil
}

// Add keeps a key for [Cache.Get], in place of another where its set is full.
// Call it only after a record opened under the key.
func (c *Cache) Add(k *SealingKey) {
	set := c.set(k.header)
	for i := range set {
		held := set[i].Load()
		if held == nil && set[i].CompareAndSwap(nil, k) ||
			held != nil && bytes.Equal(held.header, k.header) && held.scope.place == k.scope.place {
			return
		}
	}
	set[c.next.Add(1)%cacheWays].Store(k)
}

// set picks by the ends of the prefix.
func (c *Cache) set(prefix []byte) *[cacheWays]atomic.Pointer[SealingKey] {
	n := len(prefix) - SaltSize
	return &c.sets[cacheWord(prefix[:n], prefix[n:])%cacheSets]
}

// cacheWord mixes the first bytes of the commitment, which ends a scope key's
// prefix, and of the salt.
func cacheWord(prefix, salt []byte) uint64 {
	return binary.NativeEndian.Uint64(salt) ^
		binary.NativeEndian.Uint64(prefix[len(prefix)-commitSize:])
}
