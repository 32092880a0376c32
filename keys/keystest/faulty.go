package keystest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// Faulty stands before a KEK and makes its calls fail as a KMS, its network or its
// operator would, so that a service can be tested with what it will meet:
//
//	kek := keystest.NewFaulty(keystest.NewKEK("test"))
//	m, err := keys.Open(ctx, store, kek, nil)
//	kek.On(3, keystest.Hang()) // the third call from the start is never answered
//
// It shows the three methods of [keys.KEK] alone, whatever else the KEK behind it
// can do. It is safe for concurrent use.
type Faulty struct {
	kek keys.KEK

	mu    sync.Mutex
	calls int
	plan  func(op keys.Op, n int) Fault
	last  []byte // the data key last unwrapped, for Stale
}

// NewFaulty returns a KEK that works as k does until it is told otherwise.
func NewFaulty(k keys.KEK) *Faulty { return &Faulty{kek: k} }

// Each has f say what goes wrong with each call: the zero Fault is nothing. n
// counts the calls of both kinds, from 1 at the start.
func (f *Faulty) Each(plan func(op keys.Op, n int) Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan = plan
}

// On has the n-th call go wrong, and no other.
func (f *Faulty) On(n int, fault Fault) {
	f.Each(func(_ keys.Op, i int) Fault {
		if i == n {
			return fault
		}
		return Fault{}
	})
}

// Always has every call go wrong from now on.
func (f *Faulty) Always(fault Fault) { f.Each(func(keys.Op, int) Fault { return fault }) }

// Never ends what Each, On and Always began. Calls under way go on as they began.
func (f *Faulty) Never() { f.Each(nil) }

// Calls is how many calls were made so far.
func (f *Faulty) Calls() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls
}

// Fault is one way for a call to go wrong. The zero value is none.
type Fault struct {
	before func(ctx context.Context) error
	after  func(f *Faulty, op keys.Op, answer []byte) ([]byte, error)
}

// Fail: the call is refused with err, one of package keys' kinds as a rule, and
// nothing is done.
func Fail(err error) Fault { return Fault{before: func(context.Context) error { return err }} }

// Throttle: the KMS asks to slow down.
func Throttle() Fault { return Fail(keys.ErrThrottled) }

// Hang: there is no answer until the caller's context ends.
func Hang() Fault {
	return Fault{before: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
}

// Slow: the answer takes d longer, or until the caller's context ends.
func Slow(d time.Duration) Fault {
	return Fault{before: func(ctx context.Context) error {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
}

// SlowTail is a plan for [Faulty.Each]: every n-th call is slow by d.
func SlowTail(n int, d time.Duration) func(keys.Op, int) Fault {
	return func(_ keys.Op, i int) Fault {
		if i%n == 0 {
			return Slow(d)
		}
		return Fault{}
	}
}

// Lost: the call is carried out and its answer does not arrive: err.
func Lost(err error) Fault {
	return answered(func(*Faulty, keys.Op, []byte) ([]byte, error) { return nil, err })
}

// Corrupt: one bit of the answer is another. A KEK that holds to its promises
// reports ErrCorrupt instead; this is one that does not notice.
func Corrupt() Fault {
	return answered(func(_ *Faulty, _ keys.Op, answer []byte) ([]byte, error) {
		answer[len(answer)/2] ^= 0x10
		return answer, nil
	})
}

// WrongKey: Unwrap answers with random bytes of the right length, as a KMS whose
// key material was swapped behind its ID might. Wrap is as ever.
func WrongKey() Fault {
	return answered(func(_ *Faulty, op keys.Op, answer []byte) ([]byte, error) {
		if op == keys.OpUnwrap {
			copy(answer, randomBytes(len(answer)))
		}
		return answer, nil
	})
}

// Stale: Unwrap answers with the data key it gave out last, as a cache in between
// that confuses two requests might. Wrap is as ever.
func Stale() Fault {
	return answered(func(f *Faulty, op keys.Op, answer []byte) ([]byte, error) {
		if op == keys.OpUnwrap && f.last != nil {
			copy(answer, f.last)
		}
		return answer, nil
	})
}

func answered(after func(f *Faulty, op keys.Op, answer []byte) ([]byte, error)) Fault {
	return Fault{after: after}
}

// ID implements keys.KEK.
func (f *Faulty) ID() string { return f.kek.ID() }

// Wrap implements keys.KEK.
func (f *Faulty) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	return f.call(ctx, keys.OpWrap, dst, func() ([]byte, error) { return f.kek.Wrap(ctx, nil, dataKey, b) })
}

// Unwrap implements keys.KEK.
func (f *Faulty) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	return f.call(ctx, keys.OpUnwrap, dst, func() ([]byte, error) { return f.kek.Unwrap(ctx, nil, wrapped, b) })
}

func (f *Faulty) call(ctx context.Context, op keys.Op, dst []byte, do func() ([]byte, error)) ([]byte, error) {
	f.mu.Lock()
	f.calls++
	var fault Fault
	if f.plan != nil {
		fault = f.plan(op, f.calls)
	}
	f.mu.Unlock()
	if fault.before != nil {
		if err := fault.before(ctx); err != nil {
			return nil, err
		}
	}
	answer, err := do()
	if err != nil {
		return nil, err
	}
	defer clear(answer)
	f.mu.Lock()
	defer f.mu.Unlock()
	right := bytes.Clone(answer)
	if fault.after != nil {
		if answer, err = fault.after(f, op, answer); err != nil {
			clear(right)
			return nil, err
		}
	}
	if op == keys.OpUnwrap {
		f.last = right
	}
	return slices.Concat(dst, answer), nil
}
