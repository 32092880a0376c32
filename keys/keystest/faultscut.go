package keystest

import (
	"time"

	"github.com/cardseal/cardseal/internal/faultproxy"
)

// hangTimeout is the deadline of calls that are never answered.
const hangTimeout = 300 * time.Millisecond

// each runs a check for each of the KEK's calls and sees the KEK recover from it.
// The call was made once before, so that a client that keeps connections has one.
func (h *faultHarness) each(check func(w *wire, o operation)) {
	h.begin()
	w := h.wire()
	for _, o := range operations(w.k) {
		h.lifted(w, o)
		check(w, o)
		h.lifted(w, o)
	}
}

// lifted takes the fault away.
func (h *faultHarness) lifted(w *wire, o operation) {
	w.p.Set(faultproxy.Fault{})
	h.recovers(o, w.k, h.direct, h.given)
}

// struck makes a call until the fault was done to it: the first may fall on a
// connection that the proxy has just closed. hit is false where no call came far
// enough for the fault.
func (h *faultHarness) struck(w *wire, o operation, timeout time.Duration) (r result, over, hit bool, err error) {
	for range 5 {
		before := w.p.Counts().Hits
		r, err, over = h.attempt(o, w.k, h.given, timeout)
		hit = w.p.Counts().Hits > before
		if !over || hit || err == nil {
			break
		}
		h.fails(o.name+", the connection closed", r, err, outages...)
	}
	return r, over, hit, err
}

// strike is struck where the fault must be met, for the check's own goroutine.
func (h *faultHarness) strike(w *wire, o operation, f faultproxy.Fault, timeout time.Duration) (result, error) {
	w.p.Set(f)
	r, over, hit, err := h.struck(w, o, timeout)
	if !over {
		panic(stopped{})
	}
	if !hit && (err != nil || f.At == 0) { // else the answer was a little shorter this time
		h.errorf("%s does not meet the fault: it makes no call by way of addr", o.name)
	}
	return r, err
}

// outage: no connection comes about.
func outage(f faultproxy.Fault) func(h *faultHarness) {
	return func(h *faultHarness) {
		h.each(func(w *wire, o operation) {
			r, err := h.strike(w, o, f, h.f.Timeout)
			h.fails(o.name, r, err, outages...)
		})
	}
}

// cut: the answer ends after none of its bytes, some, and all but one.
func cut(f faultproxy.Fault) func(h *faultHarness) {
	return func(h *faultHarness) {
		h.each(func(w *wire, o operation) {
			_, answered := h.lengths(w, o)
			for _, at := range []int64{0, 1, answered / 4, answered / 2, answered - answered/4, answered - 1} {
				f := f // suites that run side by side share the one outside
				f.At = max(at, 0)
				r, err := h.strike(w, o, f, h.f.Timeout)
				if err == nil && f.At > 0 {
					h.right(o.name+", answered in part", h.direct, h.given, o, r) // it was the part that counts, or all
					continue
				}
				h.fails(o.name+", the answer cut", r, err, outages...)
			}
		})
	}
}

// lengths are what a call and its answer take on a connection of its own, in
// bytes.
func (h *faultHarness) lengths(w *wire, o operation) (requested, answered int64) {
	w.p.Set(faultproxy.Fault{})
	for range 5 {
		before := w.p.Counts()
		_, err, over := h.attempt(o, w.k, h.given, recoverTimeout)
		after := w.p.Counts()
		if !over {
			panic(stopped{})
		}
		if err == nil && after.Connections > before.Connections {
			return after.Requested - before.Requested, after.Answered - before.Answered
		}
		w.p.Set(faultproxy.Fault{})
	}
	h.fatalf("%s makes no call by way of addr", o.name)
	return 0, 0
}

// hang: there is never an answer, or not all of one.
func hang(f faultproxy.Fault) func(h *faultHarness) {
	return func(h *faultHarness) {
		h.each(func(w *wire, o operation) {
			r, err := h.strike(w, o, f, hangTimeout)
			h.fails(o.name+", without an answer", r, err, ended...)
		})
	}
}

// trickle: an answer that comes slowly is an answer.
func trickle(h *faultHarness) {
	h.each(func(w *wire, o operation) {
		f := faultproxy.Fault{Mode: faultproxy.Slow, Every: 20 * time.Microsecond}
		r, err := h.strike(w, o, f, 5*h.f.Timeout)
		if err != nil {
			h.fails(o.name+", answered slowly", r, err, outages...)
			return
		}
		h.right(o.name+", answered slowly", h.direct, h.given, o, r)
	})
}
