package keystest

import "github.com/cardseal/cardseal/keys"

// refused expects every call with k to fail with one of the kinds.
func (h *liveHarness) refused(k keys.KEK, g given, what string, want ...error) {
	for _, o := range operations(k) {
		r, err := o.do(h.ctx, k, g)
		h.fails(o.name+", "+what, r, err, want...)
	}
}

// served expects every call with k to succeed, with the right result.
func (h *liveHarness) served(k keys.KEK, g given, what string) {
	for _, o := range operations(k) {
		r, err := o.do(h.ctx, k, g)
		if err != nil {
			h.errorf("%s, %s: %v", o.name, what, err)
			continue
		}
		h.right(o.name+", "+what, k, g, o, r)
		if o.name == "Rewrap" { // without a fault it must open
			h.unwraps(k, r.wrapped, g.b)
		}
	}
}

// wrapped makes the check's key and wraps a data key under it.
func (h *liveHarness) wrapped() given {
	h.newKey()
	b := newBinding()
	return given{key: h.key, wrapped: h.wrap(b), b: b}
}

func liveMissing(h *liveHarness) {
	g := h.wrapped() // by a key that exists: a form the KEK takes
	k, err := h.l.Missing(h.t)
	if err != nil {
		h.fails("opening a key that does not exist", result{}, err, keys.ErrNotFound)
		return
	}
	if k == nil {
		h.fatalf("Missing gives neither KEK nor error")
	}
	for _, o := range operations(k) {
		want := []error{keys.ErrNotFound}
		if o.name == "Unwrap" || o.name == "Rewrap" {
			want = append(want, keys.ErrCorrupt) // seen to be another key's, without a call
		}
		r, err := o.do(h.ctx, k, g)
		h.fails(o.name+", of a key that does not exist", r, err, want...)
	}
	h.served(h.k, g, "of another key beside it")
}

func liveDisabled(h *liveHarness) {
	g := h.wrapped()
	h.served(h.k, g, "enabled")
	h.l.Disable(h.t, h.k)
	h.refused(h.k, g, "disabled", keys.ErrDisabled)
	if h.l.Enable == nil {
		h.t.Log("left out: Enable is nil")
		return
	}
	h.l.Enable(h.t, h.k)
	h.served(h.k, g, "enabled again")
}

func liveDestroyed(h *liveHarness) {
	g := h.wrapped()
	h.l.Destroy(h.t, h.k)
	h.refused(h.k, g, "destroyed", keys.ErrDisabled, keys.ErrNotFound)
}

func liveDenied(h *liveHarness) {
	g := h.wrapped()
	h.refused(h.l.Denied(h.t, h.k), g, "without permission", keys.ErrDenied)
	h.served(h.k, g, "with permission") // it is the caller who is refused, not the key
}
