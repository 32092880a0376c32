package keystest

import (
	"bytes"

	"github.com/cardseal/cardseal/keys"
)

// liveRotated: rotation hurts nothing that is wrapped, what is wrapped from now on
// is of the newest version, and what was rewrapped outlives the versions before.
func liveRotated(h *liveHarness) {
	old := h.wrapped()
	h.l.Rotate(h.t, h.k)
	h.served(h.k, old, "rotated")
	next := given{key: old.key, b: newBinding()}
	next.wrapped = h.wrap(next.b)
	moved := given{key: old.key, wrapped: h.move(old), b: old.b}
	h.served(h.k, next, "of the newest version")
	h.served(h.k, moved, "moved to the newest version")
	h.versions(old, next, moved)
	// A version is not forgotten by one more rotation.
	h.l.Rotate(h.t, h.k)
	for _, g := range []given{old, next, moved} {
		h.served(h.k, g, "rotated twice")
	}
	moved.wrapped = h.move(moved)
	if h.l.Trim == nil {
		h.t.Log("left out: Trim is nil")
		return
	}
	h.l.Trim(h.t, h.k)
	h.served(h.k, moved, "trimmed, moved before")
	for _, g := range []given{old, next} {
		for _, o := range operations(h.k) {
			if o.name != "Unwrap" && o.name != "Rewrap" {
				continue
			}
			r, err := o.do(h.ctx, h.k, g)
			h.fails(o.name+", of a version that was trimmed", r, err, keys.ErrDisabled)
		}
	}
}

// move brings a wrapped data key to the newest version, as a rotation of the
// rings does.
func (h *liveHarness) move(g given) []byte {
	var wrapped []byte
	var err error
	if r, ok := h.k.(keys.Rewrapper); ok {
		wrapped, err = r.Rewrap(h.ctx, nil, g.wrapped, g.b)
	} else {
		var key []byte
		if key, err = h.k.Unwrap(h.ctx, nil, g.wrapped, g.b); err == nil {
			wrapped, err = h.k.Wrap(h.ctx, nil, key, g.b)
		}
	}
	if err != nil {
		h.fatalf("a wrapped data key is not moved to the newest version: %v", err)
	}
	return wrapped
}

// versions holds a KEK that tells versions to what it tells.
func (h *liveHarness) versions(old, next, moved given) {
	v, ok := h.k.(keys.Versioned)
	if !ok {
		return
	}
	before, after := v.Version(old.wrapped), v.Version(next.wrapped)
	if before == "" || after == "" {
		if before != after {
			h.errorf("Version tells %q and %q of two versions of one key", before, after)
		}
		h.t.Log("left out: the KEK does not tell versions")
		return
	}
	if before == after {
		h.errorf("Version tells %q before and after the rotation", before)
	}
	if got := v.Version(moved.wrapped); got != after {
		h.errorf("Version tells %q of what was moved, want %q", got, after)
	}
	if bytes.Equal(old.wrapped, moved.wrapped) {
		h.errorf("what was moved has the bytes it had")
	}
	for _, none := range [][]byte{nil, {}, {0}, make([]byte, 1<<16)} {
		if got := v.Version(none); got != "" {
			h.errorf("Version tells %q of %d bytes that are none of the KEK's", got, len(none))
		}
	}
}
