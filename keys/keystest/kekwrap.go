package keystest

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cardseal/cardseal/keys"
)

func kekID(h *kekHarness) {
	id := h.k.ID()
	if id == "" || len(id) > 255 || !utf8.ValidString(id) {
		h.errorf("the ID has %d bytes, want UTF-8 of 1 to 255", len(id))
	}
	for _, r := range id {
		if !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			h.errorf("the ID holds %U", r)
		}
	}
	if id == h.other.ID() {
		h.errorf("two keys have one ID")
	}
	h.wrap(newBinding())
	if h.k.ID() != id {
		h.errorf("the ID changes")
	}
}

func kekRoundTrip(h *kekHarness) {
	for _, b := range kekBindings() {
		wrapped := h.wrap(b)
		if len(wrapped) > maxWrapped {
			h.errorf("a wrapped data key has %d bytes, an inline record holds %d", len(wrapped), maxWrapped)
		}
		if bytes.Contains(wrapped, h.key) {
			h.errorf("the wrapped form holds the data key in clear")
		}
		h.unwraps(h.k, wrapped, b)
		h.unwraps(h.k, wrapped, b) // not used up
	}
	h.key = make([]byte, keys.DataKeySize) // a poor one, but its KEK need not know
	b := newBinding()
	got, err := h.k.Unwrap(h.ctx, nil, h.wrap(b), b)
	if err != nil || !bytes.Equal(got, h.key) {
		h.errorf("a data key of zeros does not come back (%v)", err)
	}
}

// kekBindings are bindings that must serve, at the ends of what they can hold.
func kekBindings() []keys.Binding {
	b := newBinding()
	shared, bare, far := b, keys.Binding{Environment: "e", Purpose: "x-a"}, b
	shared.Scope = ""
	bare.Created = time.Unix(0, 0)
	far.Created = time.Unix(1<<40, 0)
	return []keys.Binding{b, shared, bare, far}
}

func kekReopened(h *kekHarness) {
	if h.reopen == nil {
		return
	}
	b := newBinding()
	wrapped := h.wrap(b)
	again := h.reopen()
	if again.ID() != h.k.ID() {
		h.errorf("the key has another ID when it is opened again")
	}
	h.unwraps(again, wrapped, b)
}

func kekAppend(h *kekHarness) {
	b := newBinding()
	prefix := []byte("prefix")
	for _, spare := range []int{0, 1, 40, 8192} {
		dst := append(make([]byte, 0, len(prefix)+spare), prefix...)
		wrapped, err := h.k.Wrap(h.ctx, dst, h.key, b)
		if err != nil {
			h.fatalf("Wrap: %v", err)
		}
		if !bytes.HasPrefix(wrapped, prefix) {
			h.fatalf("Wrap does not append: what dst held is gone")
		}
		h.unwraps(h.k, wrapped[len(prefix):], b)
		dst = append(make([]byte, 0, len(prefix)+spare), prefix...)
		got, err := h.k.Unwrap(h.ctx, dst, wrapped[len(prefix):], b)
		if err != nil {
			h.fatalf("Unwrap: %v", err)
		}
		if !bytes.Equal(got, append(bytes.Clone(prefix), h.key...)) {
			h.errorf("Unwrap does not append to dst")
		}
	}
}

func kekInputsKept(h *kekHarness) {
	b := newBinding()
	key := bytes.Clone(h.key)
	wrapped := h.wrap(b)
	if !bytes.Equal(key, h.key) {
		h.fatalf("Wrap changes the data key it is given")
	}
	kept := bytes.Clone(wrapped)
	h.unwraps(h.k, wrapped, b)
	if !bytes.Equal(kept, wrapped) {
		h.errorf("Unwrap changes the wrapped bytes it is given")
	}
	wrapped[len(wrapped)-1] ^= 1
	kept = bytes.Clone(wrapped)
	h.refuses(h.k, wrapped, b, "last bit flipped")
	if !bytes.Equal(kept, wrapped) {
		h.errorf("a failing Unwrap changes the wrapped bytes it is given")
	}
}

func kekFresh(h *kekHarness) {
	if h.o.Deterministic {
		return
	}
	b := newBinding()
	if bytes.Equal(h.wrap(b), h.wrap(b)) {
		h.errorf("wrapping a data key twice gives the same bytes")
	}
}

func kekDataKeySize(h *kekHarness) {
	long := append(bytes.Clone(h.key), h.key...)
	for _, n := range []int{0, 1, 16, 31, 33, 64} {
		got, err := h.k.Wrap(h.ctx, nil, long[:n], newBinding())
		if err == nil {
			h.errorf("a data key of %d bytes is wrapped", n)
		}
		if errors.Is(err, keys.ErrThrottled) || errors.Is(err, keys.ErrUnavailable) {
			h.errorf("a data key of %d bytes: %v asks for another try, which cannot help", n, err)
		}
		h.nothing("Wrap", got, err)
	}
}

func kekCancelled(h *kekHarness) {
	ctx, cancel := context.WithCancel(h.ctx)
	cancel()
	h.failing(ctx, context.Canceled)
	ctx, cancel = context.WithDeadline(h.ctx, time.Unix(1, 0))
	defer cancel()
	h.failing(ctx, context.DeadlineExceeded)
	b := newBinding()
	h.unwraps(h.k, h.wrap(b), b) // one caller's context is not another's
}

// kekConcurrent has all goroutines wrap, then all unwrap what they got and wrap
// the next, so that calls that share a buffer are found without luck.
func kekConcurrent(h *kekHarness) {
	type held struct {
		key, wrapped []byte
		b            keys.Binding
	}
	all := make([]held, h.o.Concurrency)
	for round := range 4 {
		var wg sync.WaitGroup
		next := make([]held, len(all))
		for i, now := range all {
			wg.Go(func() {
				if round > 0 {
					got, err := h.k.Unwrap(h.ctx, nil, now.wrapped, now.b)
					if err != nil || !bytes.Equal(got, now.key) {
						h.errorf("a data key does not come back when others are wrapped at the same time (%v)", err)
					}
				}
				n := held{key: randomBytes(keys.DataKeySize), b: newBinding()}
				var err error
				if n.wrapped, err = h.k.Wrap(h.ctx, nil, n.key, n.b); err != nil {
					h.errorf("Wrap: %v", err)
				}
				next[i] = n
			})
		}
		wg.Wait()
		all = next
	}
}
