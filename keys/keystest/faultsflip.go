package keystest

import (
	"fmt"
	"sync"

	"github.com/cardseal/cardseal/internal/faultproxy"
)

// flipsAtOnce is how many flips are tried side by side, each on a KEK and a proxy
// of its own: one that falls on a length leaves its call to wait for its deadline.
const flipsAtOnce = 32

// flips turns bits all over what each call sends or is answered. Whatever comes of
// it, nothing that was altered may be accepted.
func (h *faultHarness) flips(request bool) {
	h.begin()
	wires := make([]*wire, min(h.f.Flips, flipsAtOnce))
	for i := range wires {
		wires[i] = h.wire()
	}
	for _, o := range operations(wires[0].k) {
		h.lifted(wires[0], o)
		requested, answered := h.lengths(wires[0], o)
		length := answered
		if request {
			length = requested
		}
		h.t.Logf("%s: %d of %d bytes", o.name, min(int64(h.f.Flips), length), length)
		h.flipAll(wires, o, request, length)
	}
}

// flipAll spreads the flips over length bytes.
func (h *faultHarness) flipAll(wires []*wire, o operation, request bool, length int64) {
	n := int(min(int64(h.f.Flips), length))
	missed, failed := 0, 0
	for from := 0; from < n; from += len(wires) {
		round := wires[:min(len(wires), n-from)]
		outcomes := make([]flipped, len(round))
		var wg sync.WaitGroup
		for i, w := range round {
			f := faultproxy.Fault{Mode: faultproxy.Flip, Request: request,
				At: int64(from+i) * length / int64(n), Bit: uint8(from + i)}
			wg.Go(func() { outcomes[i] = h.flip(w, o, f) })
		}
		wg.Wait()
		for i, out := range outcomes {
			if out.hangs {
				panic(stopped{})
			}
			if out.missed {
				missed++
			}
			if out.failed {
				failed++
			}
			if out.lame { // backs off, which RunKEKFaults waits for elsewhere
				round[i].k = h.f.Open(h.t, round[i].p.Addr())
			}
		}
	}
	h.t.Logf("%s: %d flips, %d calls failed, %d not met by the call", o.name, n, failed, missed)
	if 2*missed > n {
		h.errorf("%s: of %d flips %d were not met by the call", o.name, n, missed)
	}
}

// flipped is what came of one flip: lame where the KEK does not serve at once when
// the fault is gone.
type flipped struct{ hangs, missed, failed, lame bool }

func (h *faultHarness) flip(w *wire, o operation, f faultproxy.Fault) (out flipped) {
	what := fmt.Sprintf("%s, bit %d of byte %d flipped in the answer", o.name, f.Bit&7, f.At)
	if f.Request {
		what = fmt.Sprintf("%s, bit %d of byte %d flipped in the request", o.name, f.Bit&7, f.At)
	}
	w.p.Set(f)
	r, over, hit, err := h.struck(w, o, h.f.Timeout)
	if !over {
		return flipped{hangs: true}
	}
	w.p.Set(faultproxy.Fault{})
	out.missed, out.failed = !hit, err != nil
	if err != nil {
		h.fails(what, r, err, kinds...)
	} else {
		h.right(what, h.direct, h.given, o, r)
	}
	_, err, over = h.attempt(operation{"Unwrap", callUnwrap}, w.k, h.given, h.f.Timeout)
	out.lame, out.hangs = err != nil, !over
	return out
}
