package keystest

import (
	"bytes"
	"slices"

	"github.com/cardseal/cardseal/keys"
)

func kekGenerator(h *kekHarness) {
	g, ok := h.k.(keys.Generator)
	if !ok {
		return
	}
	b := newBinding()
	prefix := []byte("prefix")
	first, wrapped, err := g.GenerateDataKey(h.ctx, slices.Clip(prefix), b)
	if err != nil {
		h.fatalf("GenerateDataKey: %v", err)
	}
	if !bytes.HasPrefix(first, prefix) || len(first) != len(prefix)+keys.DataKeySize {
		h.fatalf("GenerateDataKey appends %d bytes to dst, want %d", len(first)-len(prefix), keys.DataKeySize)
	}
	h.key = first[len(prefix):]
	if bytes.Contains(wrapped, h.key) || len(wrapped) > maxWrapped {
		h.errorf("GenerateDataKey gives %d wrapped bytes, with the data key in clear or too many", len(wrapped))
	}
	h.unwraps(h.k, wrapped, b)
	wrong := b
	wrong.Purpose = keys.Audit
	h.refuses(h.k, wrapped, wrong, "a generated key under another purpose")
	second, _, err := g.GenerateDataKey(h.ctx, nil, b)
	if err != nil || bytes.Equal(second, h.key) {
		h.errorf("GenerateDataKey gives one data key twice (%v)", err)
	}
}

func kekRewrapper(h *kekHarness) {
	r, ok := h.k.(keys.Rewrapper)
	if !ok {
		return
	}
	b := newBinding()
	wrapped := h.wrap(b)
	kept := bytes.Clone(wrapped)
	prefix := []byte("prefix")
	again, err := r.Rewrap(h.ctx, slices.Clip(prefix), wrapped, b)
	if err != nil {
		h.fatalf("Rewrap: %v", err)
	}
	if !bytes.Equal(wrapped, kept) {
		h.errorf("Rewrap changes the wrapped bytes it is given")
	}
	if !bytes.HasPrefix(again, prefix) {
		h.fatalf("Rewrap does not append: what dst held is gone")
	}
	again = again[len(prefix):]
	h.unwraps(h.k, again, b)
	h.unwraps(h.k, wrapped, b) // until the store has the new one
	wrong := b
	wrong.Environment = "test"
	h.refuses(h.k, again, wrong, "rewrapped, in another environment")
	got, err := r.Rewrap(h.ctx, nil, wrapped, wrong)
	h.corrupt("Rewrap under another binding", got, err)
	wrapped[len(wrapped)-1] ^= 1
	got, err = r.Rewrap(h.ctx, nil, wrapped, b)
	h.corrupt("Rewrap with the last bit flipped", got, err)
	got, err = r.Rewrap(h.ctx, nil, nil, b)
	h.corrupt("Rewrap of nothing", got, err)
}

func kekChecker(h *kekHarness) {
	if c, ok := h.k.(keys.Checker); ok {
		if err := c.Check(h.ctx); err != nil {
			h.errorf("Check: %v", err)
		}
	}
}

func kekDevelopment(h *kekHarness) {
	if d, ok := h.k.(keys.Development); ok && d.Development() == "" {
		h.errorf("Development gives no reason")
	}
}
