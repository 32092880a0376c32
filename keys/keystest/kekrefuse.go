package keystest

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// kekBinding: a wrapped data key opens under no other binding, whichever field
// differs and however little, nor where text moved from one field to the next.
func kekBinding(h *kekHarness) {
	b := newBinding()
	wrapped := h.wrap(b)
	changed := []struct {
		what   string
		change func(b *keys.Binding)
	}{
		{"environment", func(b *keys.Binding) { b.Environment = "test" }},
		{"environment in upper case", func(b *keys.Binding) { b.Environment = "Production" }},
		{"environment one longer", func(b *keys.Binding) { b.Environment += "x" }},
		{"scope", func(b *keys.Binding) { b.Scope = "shop-e" }},
		{"scope in another Unicode form", func(b *keys.Binding) { b.Scope = "shop-e\u0301" }},
		{"scope with a space", func(b *keys.Binding) { b.Scope += " " }},
		{"no scope", func(b *keys.Binding) { b.Scope = "" }},
		{"purpose", func(b *keys.Binding) { b.Purpose = keys.CVC }},
		{"key ID, first bit", func(b *keys.Binding) { b.KeyID[0] ^= 0x80 }},
		{"key ID, last bit", func(b *keys.Binding) { b.KeyID[15] ^= 1 }},
		{"key ID of zeros", func(b *keys.Binding) { b.KeyID = keys.KeyID{} }},
		{"created a second later", func(b *keys.Binding) { b.Created = b.Created.Add(time.Second) }},
		{"created a second earlier", func(b *keys.Binding) { b.Created = b.Created.Add(-time.Second) }},
		{"created 2^32 seconds later", func(b *keys.Binding) { b.Created = time.Unix(b.Created.Unix()+1<<32, 0) }},
		{"text moved to the scope", func(b *keys.Binding) { b.Environment, b.Scope = "productio", "n"+b.Scope }},
		{"text moved from the scope", func(b *keys.Binding) { b.Environment, b.Scope = b.Environment+"s", b.Scope[1:] }},
		{"environment and scope swapped", func(b *keys.Binding) { b.Environment, b.Scope = b.Scope, b.Environment }},
	}
	for _, c := range changed {
		with := b
		c.change(&with)
		h.refuses(h.k, wrapped, with, c.what)
	}
	h.unwraps(h.k, wrapped, b)
	// An empty scope is a value like any other.
	shared := b
	shared.Scope = ""
	wrapped = h.wrap(shared)
	h.refuses(h.k, wrapped, b, "a scope where there was none")
	h.unwraps(h.k, wrapped, shared)
}

// kekCreated: the creation time is bound as Unix seconds, so that a store may
// keep it so.
func kekCreated(h *kekHarness) {
	b := newBinding()
	b.Created = b.Created.Add(999_999_999)
	wrapped := h.wrap(b)
	b.Created = time.Unix(b.Created.Unix(), 0).In(time.FixedZone("", 3600))
	h.unwraps(h.k, wrapped, b)
}

func kekBitsFlipped(h *kekHarness) {
	b := newBinding()
	wrapped := h.wrap(b)
	bits := 8 * len(wrapped)
	n := bits
	if h.o.Flips > 0 {
		n = min(n, h.o.Flips)
	}
	for i := range n {
		bit := i * bits / n
		if n < bits {
			bit += i % 8 // not the same bit of each byte
		}
		bit = min(bit, bits-1)
		altered := bytes.Clone(wrapped)
		altered[bit/8] ^= 1 << (bit % 8)
		h.refuses(h.k, altered, b, fmt.Sprintf("bit %d of %d flipped", bit, bits))
	}
	h.unwraps(h.k, wrapped, b)
}

func kekLength(h *kekHarness) {
	b := newBinding()
	wrapped := h.wrap(b)
	h.refuses(h.k, nil, b, "nil")
	h.refuses(h.k, []byte{}, b, "no bytes")
	cuts := []int{1, 2, 12, 13, 28, 29, 32, len(wrapped) / 2, len(wrapped) - 16, len(wrapped) - 2, len(wrapped) - 1}
	for _, n := range cuts {
		if n < 0 || n >= len(wrapped) {
			continue
		}
		h.refuses(h.k, wrapped[:n], b, fmt.Sprintf("the first %d of %d bytes", n, len(wrapped)))
	}
	h.refuses(h.k, wrapped[1:], b, "without the first byte")
	for _, tail := range [][]byte{{0}, {'\n'}, make([]byte, 16), wrapped} {
		h.refuses(h.k, slices.Concat(wrapped, tail), b, fmt.Sprintf("with %d bytes behind it", len(tail)))
	}
	h.refuses(h.k, append([]byte{0}, wrapped...), b, "with a byte before it")
	h.refuses(h.k, make([]byte, len(wrapped)), b, "zeros")
	h.refuses(h.k, h.key, b, "a data key that is not wrapped")
	h.refuses(h.k, make([]byte, 1<<16), b, "64 KiB")
}

func kekAnotherKey(h *kekHarness) {
	b := newBinding()
	wrapped := h.wrap(b)
	h.refuses(h.other, wrapped, b, "what another key wrapped")
	h.unwraps(h.k, wrapped, b)
}

// kekNothingLeft: a data key that was not authenticated is not given out, in the
// spare room of dst either.
func kekNothingLeft(h *kekHarness) {
	b := newBinding()
	wrapped := h.wrap(b)
	wrong := b
	wrong.Scope = "other"
	altered := bytes.Clone(wrapped)
	altered[len(altered)-1] ^= 1
	for _, c := range []struct {
		what    string
		wrapped []byte
		b       keys.Binding
	}{{"last bit flipped", altered, b}, {"another scope", wrapped, wrong}} {
		dst := append(make([]byte, 0, 1024), "prefix"...)
		got, err := h.k.Unwrap(h.ctx, dst, c.wrapped, c.b)
		h.corrupt(c.what, got, err)
		for part := range slices.Chunk(h.key, 8) {
			if bytes.Contains(dst[:cap(dst)], part) {
				h.fatalf("%s: a failed Unwrap leaves bytes of the data key in dst", c.what)
			}
		}
		if string(dst) != "prefix" {
			h.errorf("%s: a failed Unwrap changes what dst held", c.what)
		}
	}
}
