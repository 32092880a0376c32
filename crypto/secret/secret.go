// Package secret holds secret bytes, such as keys and passphrases, so that they
// do not print and can be wiped.
//
// A [Bytes] shows one fixed word to fmt with every verb, to encoding/json, to
// slog and in panics, whether it is reached as a value or through a pointer.
// Printers that reach its memory through a caller's unexported field find it
// XORed with a pad drawn once per process. That keeps secrets out of logs and
// crash messages; it does not hide them from whoever reads the whole memory of
// the process, and it is no reason to log what such a printer says.
//
// The bytes leave through [Bytes.Reveal] alone, a name one can search for. What
// it returns is the caller's to wipe.
//
// Copies made by the runtime, on goroutine stacks above all, are not wiped. Where
// that matters build with GOEXPERIMENT=runtimesecret and call from within
// runtime/secret.Do.
package secret

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"github.com/cardseal/cardseal/internal/pad"
)

// hidden is all that a Bytes ever shows.
const hidden = "[secret]"

// Bytes is a secret of any length. Copies of it are the same secret: wiping one
// wipes all. Its methods are safe for concurrent use. The zero value is empty.
type Bytes struct {
	_ [0]func() // == does not compile: it would not compare the bytes
	s *shared
}

type shared struct {
	mu     sync.RWMutex
	padded []byte // nil once wiped
}

// New returns a secret with a copy of b. The caller wipes b when done with it.
func New(b []byte) *Bytes {
	s := &Bytes{s: &shared{padded: make([]byte, len(b))}}
	xor(s.s.padded, b)
	return s
}

// Random returns a secret of n random bytes. It panics if n is negative.
func Random(n int) *Bytes {
	s := &Bytes{s: &shared{padded: make([]byte, n)}}
	rand.Read(s.s.padded) // random bytes XORed with a pad are as random
	return s
}

// Reveal appends the secret to dst. The caller wipes what it got with clear. It
// appends nothing once the secret was wiped, so a caller that needs a key of a
// certain length checks the length of what came.
func (b Bytes) Reveal(dst []byte) []byte {
	if b.s == nil {
		return dst
	}
	b.s.mu.RLock()
	defer b.s.mu.RUnlock()
	n := len(dst)
	dst = slices.Grow(dst, len(b.s.padded))[:n+len(b.s.padded)]
	xor(dst[n:], b.s.padded)
	return dst
}

// Len is the length in bytes, 0 once wiped.
func (b Bytes) Len() int {
	if b.s == nil {
		return 0
	}
	b.s.mu.RLock()
	defer b.s.mu.RUnlock()
	return len(b.s.padded)
}

// Equal reports whether two secrets hold the same bytes, in a time that depends
// on their lengths alone. An empty or wiped secret equals nothing, not even
// itself: two keys that are gone must not pass for a match.
func (b Bytes) Equal(other *Bytes) bool {
	if other == nil {
		return false
	}
	// Revealed one after the other: two goroutines that compare a pair crosswise
	// never hold one lock while they wait for the next.
	x, y := b.Reveal(nil), other.Reveal(nil)
	defer clear(x)
	defer clear(y)
	return len(x) > 0 && subtle.ConstantTimeCompare(x, y) == 1
}

// Wipe overwrites the secret. Afterwards it is empty. Wiping twice is fine.
func (b Bytes) Wipe() {
	if b.s == nil {
		return
	}
	b.s.mu.Lock()
	defer b.s.mu.Unlock()
	clear(b.s.padded)
	b.s.padded = nil
}

// xor writes b XORed with the pad to dst, which is as long and may be b.
func xor(dst, b []byte) {
	for i := range b {
		dst[i] = b[i] ^ pad.Value[i%pad.Size]
	}
}

// String is a fixed word.
func (b Bytes) String() string { return hidden }

// GoString is a fixed word.
func (b Bytes) GoString() string { return hidden }

// Format writes a fixed word for every verb.
func (b Bytes) Format(f fmt.State, _ rune) { io.WriteString(f, hidden) }

// MarshalText is a fixed word; encoding/json and encoding/xml use it.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(hidden), nil }

// LogValue is a fixed word.
func (b Bytes) LogValue() slog.Value { return slog.StringValue(hidden) }
