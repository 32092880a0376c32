package keystest

import (
	"context"
	"slices"
	"time"

	"github.com/cardseal/cardseal/internal/faultproxy"
	"github.com/cardseal/cardseal/keys"
)

// promptly is how soon a call ends once its context has.
const promptly = 50 * time.Millisecond

// liveHung: whoever waits for a KMS that does not answer can stop waiting.
func liveHung(h *liveHarness) {
	g := h.wrapped()
	if h.l.Server != "" && h.l.Open != nil {
		p := proxy(h.t, h.l.Server)
		k := h.l.Open(h.t, h.k, p.Addr())
		unwrap := operation{"Unwrap", callUnwrap}
		for _, f := range []faultproxy.Fault{
			{Mode: faultproxy.HalfOpen},             // hangs from the first byte of a connection
			{Mode: faultproxy.HalfOpen, Keep: true}, // hangs on one that has served
		} {
			h.recovers(unwrap, k, h.k, g)
			p.Set(f)
			h.cancelled(k, g, func() (underWay func() bool) {
				sent := p.Counts().Requested
				return func() bool { return p.Counts().Requested > sent }
			})
			p.Set(faultproxy.Fault{})
		}
		h.recovers(unwrap, k, h.k, g)
	}
	if h.l.Hung != nil {
		h.cancelled(h.l.Hung(h.t, h.k), g, func() (underWay func() bool) {
			// Nobody tells when the call is on its way; earlier it must end as well.
			began := time.Now()
			return func() bool { return time.Since(began) > promptly }
		})
	}
}

// cancelled has each call's context end while it is under way. The quickest of some
// tries counts: on a machine with other work a goroutine may have to wait for its
// turn, but a KEK that waits for anything else does so each time.
func (h *liveHarness) cancelled(k keys.KEK, g given, begin func() (underWay func() bool)) {
	const least, most = 5, 15 // the first use up connections that are closed already
	for _, o := range operations(k) {
		var took []time.Duration
		for len(took) < least || len(took) < most && slices.Min(took) > promptly {
			took = append(took, h.cancel(o, k, g, begin))
		}
		h.t.Logf("%s ends after its context in %v", o.name, took)
		if best := slices.Min(took); best > promptly {
			h.errorf("%s ends %v after its context, want %v", o.name, best, promptly)
		}
	}
	for _, o := range operations(k) {
		r, err, over := h.attempt(o, k, g, hangTimeout)
		if !over {
			panic(stopped{})
		}
		h.fails(o.name+", with a deadline and no answer", r, err, context.DeadlineExceeded)
	}
}

// cancel returns how long after its context a call ended.
func (h *liveHarness) cancel(o operation, k keys.KEK, g given, begin func() (underWay func() bool)) time.Duration {
	for range 5 {
		ctx, cancel := context.WithCancel(h.ctx)
		defer cancel()
		underWay := begin()
		done := make(chan struct{})
		var r result
		var err error
		go func() {
			defer close(done)
			r, err = o.do(ctx, k, g)
		}()
		if h.over(done, underWay) {
			// On a connection that was closed when the server began to hang.
			h.fails(o.name+", the connection closed", r, err, outages...)
			continue
		}
		began := time.Now()
		cancel()
		watchdog := time.NewTimer(h.watchdog)
		defer watchdog.Stop()
		select {
		case <-done:
		case <-watchdog.C:
			h.fatalf("%s: hangs though its context has ended", o.name)
		}
		took := time.Since(began)
		h.fails(o.name+", cancelled under way", r, err, context.Canceled)
		return took
	}
	h.fatalf("%s does not wait for the server that hangs", o.name)
	return 0
}

// over waits until a call is under way and reports whether it has ended before.
func (h *liveHarness) over(done <-chan struct{}, underWay func() bool) bool {
	for end := time.Now().Add(5 * time.Second); ; {
		select {
		case <-done:
			return true
		default:
		}
		if underWay() || time.Now().After(end) {
			return false
		}
		pause(h.ctx, time.Millisecond)
	}
}
