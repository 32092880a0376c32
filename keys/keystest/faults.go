package keystest

import (
	"testing"
	"time"

	"github.com/cardseal/cardseal/internal/faultproxy"
	"github.com/cardseal/cardseal/keys"
)

// Faults is what [RunKEKFaults] needs to come between a KEK and its KMS.
type Faults struct {
	// Server is the host and port of the KMS, without TLS: "127.0.0.1:8200".
	Server string
	// Open opens one and the same key, by a connection to addr: a proxy before
	// Server, or Server itself. It is called many times, from the test's own
	// goroutine, and closes what it opened with t.Cleanup. The KEK must not keep
	// data keys or answers.
	Open func(t *testing.T, addr string) keys.KEK
	// Flips is how many bytes of the answer, and of the request, to each call have
	// a bit flipped, spread evenly. 0 means 64.
	Flips int
	// Timeout is the deadline of calls that a fault may leave without an answer.
	// 0 means 2 seconds, which a loaded machine does not take for a good answer.
	Timeout time.Duration
}

// RunKEKFaults drives a KEK through connections that fail: refused, reset, left
// without an answer, slow, truncated, and with bits that turn on the way, in what
// the KMS answers and in what it is asked. It expects that
//
//   - every call ends by its context's deadline;
//   - an outage is keys.ErrUnavailable, or the context's error once that has ended,
//     and an altered bit any of keys' kinds, with nothing beside it;
//   - the KEK works again, without being opened anew, once the fault has gone;
//   - nothing that was altered is accepted: what Wrap and GenerateDataKey give opens
//     to the very data key, Unwrap gives the one that was wrapped. What Rewrap gives
//     opens to it or not at all, since [keys.Rewrapper] leaves that to be seen by
//     the caller.
func RunKEKFaults(t *testing.T, f Faults) {
	for _, c := range faultChecks {
		t.Run(c.name, func(t *testing.T) {
			h := newFaultHarness(t, f)
			for _, failure := range h.run(func(*kekHarness) { c.run(h) }) {
				t.Error(failure)
			}
		})
	}
}

var faultChecks = []struct {
	name string
	run  func(h *faultHarness)
}{
	{"Refuse", outage(faultproxy.Fault{Mode: faultproxy.Refuse})},
	{"Reset", cut(faultproxy.Fault{Mode: faultproxy.Reset})},
	{"Truncate", cut(faultproxy.Fault{Mode: faultproxy.Truncate})},
	{"HalfOpen", hang(faultproxy.Fault{Mode: faultproxy.HalfOpen})},
	{"HalfOpenMidway", hang(faultproxy.Fault{Mode: faultproxy.HalfOpen, Keep: true})},
	{"Slow", hang(faultproxy.Fault{Mode: faultproxy.Slow, Every: time.Hour})},
	{"Trickle", trickle},
	{"FlipAnswer", func(h *faultHarness) { h.flips(false) }},
	{"FlipRequest", func(h *faultHarness) { h.flips(true) }},
}

// faultHarness is a harness with the KEK's way to its KMS at hand.
type faultHarness struct {
	*kekHarness
	t      *testing.T
	f      Faults
	direct keys.KEK // of the same key, without a proxy
	given  given
}

func newFaultHarness(t *testing.T, f Faults) *faultHarness {
	if f.Flips == 0 {
		f.Flips = 64
	}
	if f.Timeout == 0 {
		f.Timeout = 2 * time.Second
	}
	return &faultHarness{kekHarness: newKEKHarness(t.Context(), nil, nil), t: t, f: f}
}

// begin wraps the data key that the check's calls are given.
func (h *faultHarness) begin() {
	h.direct = h.f.Open(h.t, h.f.Server)
	h.given = given{key: h.key, b: newBinding()}
	var err error
	if h.given.wrapped, err = h.direct.Wrap(h.ctx, nil, h.key, h.given.b); err != nil {
		h.fatalf("Wrap without a fault: %v", err)
	}
}

// wire is a KEK behind a proxy of its own.
type wire struct {
	k keys.KEK
	p *faultproxy.Proxy
}

func (h *faultHarness) wire() *wire {
	w := &wire{p: proxy(h.t, h.f.Server)}
	w.k = h.f.Open(h.t, w.p.Addr())
	return w
}
