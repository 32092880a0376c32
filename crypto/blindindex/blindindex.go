// Package blindindex is a keyed one-way index: it turns a value into 32 bytes by
// which a store finds it again without knowing it. PCI DSS 3.5.1.1 asks for just
// this where hashes of card numbers are kept: keyed, over the whole number, under
// a managed key.
//
// The index value is HMAC-SHA-256 (FIPS 198-1) of
//
//	length of label (1 byte) ‖ label ‖ length of value (1 byte) ‖ value
//
// under a 32-byte key, never truncated: a collision would return another card's
// token. Label and value go in byte for byte; a card number is its ASCII digits.
// With a label of up to 34 bytes a card number's message stays within one block
// of SHA-256. What stable versions wrote, all later ones find: the format has no
// version of its own, since a new one would take a new label.
//
// When not to use it: equal values have equal index values, so whoever reads the
// store sees which rows belong together, and whoever has the key can try all
// card numbers. It is no encryption and no password hash.
//
// testdata/vectors.json holds known answers for implementations in other
// languages.
package blindindex

import (
	"crypto/hmac"
	"crypto/sha256"
	"fmt"
	"hash"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/secret"
)

// Sizes in bytes.
const (
	// KeySize is the length of the key.
	KeySize = 32
	// Size is the length of an index value.
	Size = sha256.Size
	// MaxLabel is the longest label, and MaxValue the longest value, that their
	// length bytes can count.
	MaxLabel = 255
	MaxValue = 255
)

// Index computes index values under one key and label. It is safe for concurrent
// use and allocates nothing once warm. It must not be copied; the zero value is
// not usable.
type Index struct {
	key    *secret.Bytes
	label  string
	states sync.Pool // *state
	wiped  atomic.Bool
}

// state is an HMAC with its key set up, and room for message and result: what
// goes through the hash.Hash interface would otherwise move to the heap each time.
type state struct {
	mac    hash.Hash
	prefix int // length of what begins every message: the label behind its length
	sum    [Size]byte
	buf    [1 + MaxLabel + 1 + MaxValue]byte
}

// New returns an index under a key of exactly 32 bytes and a label of 1 to 255
// bytes that names the use. The key is copied; the caller wipes it.
func New(key []byte, label string) (*Index, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("blindindex: key must be %d bytes", KeySize)
	}
	if label == "" || len(label) > MaxLabel {
		return nil, fmt.Errorf("blindindex: label must be 1 to %d bytes", MaxLabel)
	}
	return &Index{key: secret.New(key), label: label}, nil
}

// Append appends the 32-byte index value of a value of at most 255 bytes. dst and
// value may overlap. It panics if the value is longer or the index was wiped.
func (x *Index) Append(dst, value []byte) []byte {
	n := len(dst)
	dst = slices.Grow(dst, Size)[:n+Size]
	x.compute((*[Size]byte)(dst[n:]), value)
	return dst
}

// Value is the index value of a value, as [Index.Append] makes it.
func (x *Index) Value(value []byte) (sum [Size]byte) {
	x.compute(&sum, value)
	return sum
}

// Wipe ends the index: it overwrites its copy of the key, lets go of the HMAC
// states and has every later Append and Value panic, so call it after the last of
// them. The states themselves, from which the key cannot be computed but index
// values can, are beyond the reach of Go code; they last until the garbage
// collector takes them. Wiping twice is fine.
func (x *Index) Wipe() {
	x.wiped.Store(true)
	if x.key != nil {
		x.key.Wipe()
	}
	for x.states.Get() != nil {
	}
}

// Format prints the type's name alone, whatever the verb.
func (x *Index) Format(f fmt.State, _ rune) { io.WriteString(f, "blindindex.Index") }

// compute writes the index value to dst once it has done with value, which may
// lie in the same place.
func (x *Index) compute(dst *[Size]byte, value []byte) {
	if len(value) > MaxValue {
		panic("blindindex: value is longer than 255 bytes")
	}
	if x.wiped.Load() {
		panic("blindindex: Index is used after Wipe")
	}
	s, ok := x.states.Get().(*state)
	if !ok {
		s = x.newState()
	}
	s.run(value)
	*dst = s.sum
	x.put(s)
}

func (s *state) run(value []byte) {
	message := s.buf[:s.prefix+1+len(value)]
	message[s.prefix] = byte(len(value))
	copy(message[s.prefix+1:], value)
	s.mac.Write(message)
	s.mac.Sum(s.sum[:0])
	// Reset now, not before the next use: SHA-256 keeps the last block it was given,
	// which holds the value, until its keyed state is put back.
	s.mac.Reset()
	clear(message[s.prefix:])
}

// put keeps a state for the next call, unless that call will never come.
func (x *Index) put(s *state) {
	if !x.wiped.Load() {
		x.states.Put(s)
	}
}

func (x *Index) newState() *state {
	if x.key == nil {
		panic("blindindex: Index was not made by New")
	}
	raw := x.key.Reveal(make([]byte, 0, KeySize))
	defer clear(raw)
	// A key wiped a moment ago reveals nothing, and HMAC would take that for a key.
	if len(raw) != KeySize {
		panic("blindindex: Index is used after Wipe")
	}
	s := &state{mac: hmac.New(sha256.New, raw), prefix: 1 + len(x.label)}
	s.mac.Reset() // so that it keeps the keyed state rather than the key (FIPS 198-1, section 6)
	s.buf[0] = byte(len(x.label))
	copy(s.buf[1:], x.label)
	return s
}
