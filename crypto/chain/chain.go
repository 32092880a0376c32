// Package chain links the entries of a log by keyed MACs: each MAC covers the one
// before it, so that nobody without the key can change, drop, swap or insert an
// entry unseen. A chain of bare hashes anyone can compute anew.
//
// The MAC of an entry is HMAC-SHA-256 (FIPS 198-1), never truncated, of
//
//	length of label (1 byte) ‖ label ‖ chain ID (16) ‖ sequence number (8) ‖
//	MAC before (32) ‖ length of entry (8) ‖ entry
//
// under a 32-byte key, integers big-endian. The first entry of a chain has number 1
// and 32 zero bytes before it. A chain may change its key at any entry: the first
// MAC under the new key covers the last one under the old.
//
// What it cannot do: entries cut off the end leave a shorter chain that is whole.
// Keep a [Head] where whoever can cut the log cannot write, and hold the log
// against it. Whoever has the key can write another chain; only heads kept
// elsewhere show that.
//
// How entries are written down, and how a reader learns which key is whose, is the
// caller's; package tokenize/audit is one. What stable versions wrote, all later
// ones verify: another format would take another label.
package chain

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"io"
)

// Sizes in bytes.
const (
	KeySize  = 32
	MACSize  = sha256.Size
	MaxLabel = 255
)

// ID names a chain: 16 random bytes that its MACs cover.
type ID [16]byte

// NewID draws the name of a new chain.
func NewID() (id ID) {
	rand.Read(id[:])
	return id
}

// Head is where a chain stands: the number and MAC of its last entry. The zero
// value is the head of a chain without entries.
type Head struct {
	Sequence uint64
	MAC      [MACSize]byte
}

// Key computes the MACs of one chain under one key. It allocates nothing and is
// not safe for concurrent use. The zero value is not usable.
type Key struct {
	mac    hash.Hash
	prefix []byte // what begins every message, with room for the numbers
	fixed  int    // length of label and chain ID in it
	sum    [MACSize]byte
}

// NewKey sets up a key of exactly 32 bytes for one chain. The label, of 1 to 255
// bytes, names what the entries are. The key is not kept, but what Go's HMAC makes
// of it is, until the garbage collector takes it.
func NewKey(key []byte, label string, id ID) (*Key, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("chain: key must be %d bytes", KeySize)
	}
	if label == "" || len(label) > MaxLabel {
		return nil, fmt.Errorf("chain: label must be 1 to %d bytes", MaxLabel)
	}
	fixed := 1 + len(label) + len(id)
	prefix := make([]byte, 0, fixed+8+MACSize+8)
	prefix = append(prefix, byte(len(label)))
	prefix = append(prefix, label...)
	prefix = append(prefix, id[:]...)
	k := &Key{mac: hmac.New(sha256.New, key), prefix: prefix, fixed: fixed}
	k.mac.Reset() // so that it keeps the keyed state rather than the key (FIPS 198-1, section 6)
	return k, nil
}

// Next returns the head after one more entry.
func (k *Key) Next(h Head, entry []byte) Head {
	h.Sequence++
	p := binary.BigEndian.AppendUint64(k.prefix[:k.fixed], h.Sequence)
	p = append(p, h.MAC[:]...)
	p = binary.BigEndian.AppendUint64(p, uint64(len(entry)))
	k.mac.Write(p)
	k.mac.Write(entry)
	k.mac.Sum(k.sum[:0])
	k.mac.Reset()
	h.MAC = k.sum
	return h
}

// Follows reports, in constant time, whether next is the head after one more
// entry.
func (k *Key) Follows(h, next Head, entry []byte) bool {
	want := k.Next(h, entry)
	return want.Sequence == next.Sequence && hmac.Equal(want.MAC[:], next.MAC[:])
}

// Format prints the type's name alone, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, "chain.Key") }
