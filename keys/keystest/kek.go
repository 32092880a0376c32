package keystest

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// KEKOptions fits [RunKEK] to a KMS that is slow or charges for calls. The zero
// value tries everything.
type KEKOptions struct {
	// Flips is how many bits of a wrapped data key are flipped one after the
	// other, spread evenly over it. 0 means every bit.
	Flips int
	// Concurrency is how many goroutines use the KEK at once. 0 means 16.
	Concurrency int
	// Other opens a KEK of the same kind under another key. nil means that open
	// does so each time it is called.
	Other func(t *testing.T) keys.KEK
	// Deterministic says that wrapping a data key twice gives the same bytes, as
	// AES-KW and AES-KWP do (SP 800-38F). It leaves out the check FreshEachTime.
	Deterministic bool
	// Reopen opens the key of k anew, as the next start of the process would.
	// nil leaves that out.
	Reopen func(t *testing.T, k keys.KEK) keys.KEK
}

// RunKEK is the conformance suite of a KEK: every promise of [keys.KEK] and of
// the optional interfaces the KEK has, of [keys.Destroyer] nothing. It calls open
// a few times; open closes what it opened with t.Cleanup.
//
// Beyond the interface's words it expects that nothing is returned with an error,
// that a wrapped data key fits an inline record, that a failed Unwrap leaves no
// data key behind in dst, and that errors do not quote key bytes.
func RunKEK(t *testing.T, open func(t *testing.T) keys.KEK, o *KEKOptions) {
	for _, c := range kekChecks {
		t.Run(c.name, func(t *testing.T) {
			h := newKEKHarness(t.Context(), open(t), o)
			other := open
			if h.o.Other != nil {
				other = h.o.Other
			}
			if c.other {
				h.other = other(t)
			}
			if h.o.Reopen != nil {
				h.reopen = func() keys.KEK { return h.o.Reopen(t, h.k) }
			}
			for _, failure := range h.run(c.run) {
				t.Error(failure)
			}
		})
	}
}

// RunKEKClosed tries a KEK that was closed: every call answers [keys.ErrClosed]
// but ID.
func RunKEKClosed(t *testing.T, closed keys.KEK) {
	h := newKEKHarness(t.Context(), closed, nil)
	for _, failure := range h.run(func(h *kekHarness) { h.failing(h.ctx, keys.ErrClosed) }) {
		t.Error(failure)
	}
	if closed.ID() == "" {
		t.Error("the ID is empty once the KEK is closed")
	}
}

// kekCheck is one promise. It reports to a harness, not to testing.T, so that the
// suite's own tests can see it find a faulty KEK.
type kekCheck struct {
	name  string
	other bool // uses a second key
	run   func(h *kekHarness)
}

var kekChecks = []kekCheck{
	{"ID", true, kekID},
	{"RoundTrip", false, kekRoundTrip},
	{"Reopened", false, kekReopened},
	{"Append", false, kekAppend},
	{"InputsKept", false, kekInputsKept},
	{"FreshEachTime", false, kekFresh},
	{"DataKeySize", false, kekDataKeySize},
	{"Binding", false, kekBinding},
	{"CreatedInSeconds", false, kekCreated},
	{"BitsFlipped", false, kekBitsFlipped},
	{"Length", false, kekLength},
	{"AnotherKey", true, kekAnotherKey},
	{"NothingLeftInDst", false, kekNothingLeft},
	{"Cancelled", false, kekCancelled},
	{"Concurrent", false, kekConcurrent},
	{"Generator", false, kekGenerator},
	{"Rewrapper", false, kekRewrapper},
	{"Checker", false, kekChecker},
	{"Development", false, kekDevelopment},
}

// kekHarness is one KEK under test, with the failures found so far.
type kekHarness struct {
	ctx    context.Context
	o      KEKOptions
	k      keys.KEK
	other  keys.KEK
	reopen func() keys.KEK
	key    []byte // a data key whose bytes no error may quote

	watchdog time.Duration // a call that goes on so long beyond its deadline hangs
	patience time.Duration // how long a KEK may take to serve again after an outage

	mu       sync.Mutex
	failures []string
}

func newKEKHarness(ctx context.Context, k keys.KEK, o *KEKOptions) *kekHarness {
	h := &kekHarness{ctx: ctx, k: k, key: randomBytes(keys.DataKeySize),
		watchdog: 20 * time.Second, patience: time.Minute}
	if o != nil {
		h.o = *o
	}
	if h.o.Concurrency == 0 {
		h.o.Concurrency = 16
	}
	return h
}

// stopped is the panic by which a check ends early.
type stopped struct{}

// run returns what a check found. A panic of the KEK is a finding too.
func (h *kekHarness) run(check func(h *kekHarness)) []string {
	func() {
		defer func() {
			if r := recover(); r != nil && r != (stopped{}) {
				h.errorf("the KEK panics: %v", r)
			}
		}()
		check(h)
	}()
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failures
}
