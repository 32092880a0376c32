package keystest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// given is what a call is given, and result what it gives back. A result has a
// data key, a wrapped one, both, or (of Check) neither.
type given struct {
	key, wrapped []byte
	b            keys.Binding
}

type result struct{ key, wrapped []byte }

func (r result) nothing() bool { return r.key == nil && r.wrapped == nil }

// operation is one of a KEK's calls.
type operation struct {
	name string
	call func(ctx context.Context, k keys.KEK, g given) (result, error)
}

// operations are the calls that a KEK has.
func operations(k keys.KEK) []operation {
	all := []operation{
		{"Wrap", func(ctx context.Context, k keys.KEK, g given) (r result, err error) {
			r.wrapped, err = k.Wrap(ctx, nil, g.key, g.b)
			return r, err
		}},
		{"Unwrap", callUnwrap},
	}
	if _, ok := k.(keys.Generator); ok {
		all = append(all, operation{"GenerateDataKey", func(ctx context.Context, k keys.KEK, g given) (r result, err error) {
			r.key, r.wrapped, err = k.(keys.Generator).GenerateDataKey(ctx, nil, g.b)
			return r, err
		}})
	}
	if _, ok := k.(keys.Rewrapper); ok {
		all = append(all, operation{"Rewrap", func(ctx context.Context, k keys.KEK, g given) (r result, err error) {
			r.wrapped, err = k.(keys.Rewrapper).Rewrap(ctx, nil, g.wrapped, g.b)
			return r, err
		}})
	}
	if _, ok := k.(keys.Checker); ok {
		all = append(all, operation{"Check", func(ctx context.Context, k keys.KEK, g given) (result, error) {
			return result{}, k.(keys.Checker).Check(ctx)
		}})
	}
	return all
}

// callUnwrap also looks into dst, where a failed call must leave nothing.
func callUnwrap(ctx context.Context, k keys.KEK, g given) (r result, err error) {
	dst := make([]byte, 0, 256)
	r.key, err = k.Unwrap(ctx, dst, g.wrapped, g.b)
	if err != nil {
		for part := range slices.Chunk(g.key, 8) {
			if bytes.Contains(dst[:cap(dst)], part) {
				r.key = dst[:cap(dst)] // as good as returned
			}
		}
	}
	return r, err
}

// do makes one call. A panic in it is an error of no kind.
func (o operation) do(ctx context.Context, k keys.KEK, g given) (r result, err error) {
	defer func() {
		if p := recover(); p != nil {
			r, err = result{}, fmt.Errorf("the KEK panics: %v", p)
		}
	}()
	return o.call(ctx, k, g)
}

// retryable are the kinds that stand for an outage, ended those of a context, and
// kinds all of them.
var (
	retryable = []error{keys.ErrUnavailable, keys.ErrThrottled}
	ended     = []error{context.DeadlineExceeded, context.Canceled}
	outages   = slices.Concat(retryable, ended)
	kinds     = slices.Concat(outages, []error{keys.ErrNotFound, keys.ErrDisabled, keys.ErrDenied, keys.ErrCorrupt})
)

func isAny(err error, kinds ...error) bool {
	return slices.ContainsFunc(kinds, func(kind error) bool { return errors.Is(err, kind) })
}

// fails expects an error of one of the kinds, of no other, and nothing beside it.
// It reports whether it was so.
func (h *kekHarness) fails(what string, r result, err error, want ...error) bool {
	if err == nil {
		h.errorf("%s: succeeds, want %v", what, want)
		return false
	}
	ok := isAny(err, want...)
	if !ok {
		h.errorf("%s: %v, want %v", what, err, want)
	}
	of := 0 // of the context's error an outage may tell beside its own kind
	for _, kind := range kinds {
		if errors.Is(err, kind) && !isAny(kind, ended...) {
			of++
		}
		if ok && errors.Is(err, kind) && !isAny(kind, want...) {
			h.errorf("%s: %v is %v too, want %v", what, err, kind, want)
			ok = false
		}
	}
	if of > 1 {
		h.errorf("%s: %v is of %d kinds", what, err, of)
		ok = false
	}
	if !r.nothing() {
		h.errorf("%s: %d bytes returned beside the error", what, len(r.key)+len(r.wrapped))
		ok = false
	}
	h.discreet(what, err, h.key)
	return ok
}

// right expects of a result that it is what was asked for: opener, who sees no
// fault, unwraps it to the very data key.
func (h *kekHarness) right(what string, opener keys.KEK, g given, o operation, r result) {
	want := g.key
	switch o.name {
	case "Check":
		return
	case "Unwrap":
		if !bytes.Equal(r.key, want) {
			h.errorf("%s: gives another data key than was wrapped", what)
		}
		return
	case "GenerateDataKey":
		if want = r.key; len(want) != keys.DataKeySize {
			h.errorf("%s: gives a data key of %d bytes", what, len(want))
		}
	}
	got, err := opener.Unwrap(h.ctx, nil, r.wrapped, g.b)
	switch {
	case o.name == "Rewrap" && errors.Is(err, keys.ErrCorrupt):
		// Altered, and seen to be when it is unwrapped: the old one is still there.
	case err != nil:
		h.errorf("%s: what it gave does not unwrap: %v", what, err)
	case !bytes.Equal(got, want):
		h.errorf("%s: what it gave unwraps to another data key", what)
	}
}

// attempt makes a call with a deadline. Far beyond it the call hangs, which is a
// finding, and attempt reports false.
func (h *kekHarness) attempt(o operation, k keys.KEK, g given, timeout time.Duration) (r result, err error, ended bool) {
	ctx, cancel := context.WithTimeout(h.ctx, timeout)
	defer cancel()
	done := make(chan struct{})
	var res result
	var failure error
	go func() {
		defer close(done)
		res, failure = o.do(ctx, k, g)
	}()
	watchdog := time.NewTimer(timeout + h.watchdog)
	defer watchdog.Stop()
	select {
	case <-done:
		return res, failure, true
	case <-watchdog.C:
		h.errorf("%s: hangs, %v beyond its deadline", o.name, h.watchdog)
		return result{}, nil, false
	}
}

// recovers waits until a call succeeds again, with the right result, and holds the
// failures before that to an outage's kinds. Real connections and their back-off
// are waited for: there is nothing but the clock to go by.
func (h *kekHarness) recovers(o operation, k, opener keys.KEK, g given) {
	for end := time.Now().Add(h.patience); ; {
		r, err, over := h.attempt(o, k, g, recoverTimeout)
		if !over {
			panic(stopped{})
		}
		if err == nil {
			h.right(o.name+", the fault gone", opener, g, o, r)
			return
		}
		h.fails(o.name+", the fault just gone", r, err, outages...)
		if time.Now().After(end) {
			h.fatalf("%s: still %v, %v after the fault has gone", o.name, err, h.patience)
		}
		pause(h.ctx, 10*time.Millisecond)
	}
}

const recoverTimeout = 5 * time.Second

// pause keeps from asking a real server too often.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
