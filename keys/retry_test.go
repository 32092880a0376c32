package keys_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// The waits between tries, as retry.go has them: the n-th is shorter than
// firstWait * 2^n, and than longestWait.
const (
	firstWait   = 50 * time.Millisecond
	longestWait = 2 * time.Second
)

// tries fails the KEK's calls and notes when each was made.
type tries struct {
	mu sync.Mutex
	at []time.Time
}

// failing has the KEK fail with what fail returns for the n-th try, from 0.
func (w *world) failing(fail func(n int) error) *tries {
	f := &tries{}
	w.kek.Before(func(context.Context, string, int) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.at = append(f.at, time.Now())
		return fail(len(f.at) - 1)
	})
	return f
}

// taken are the moments of the tries since it was last asked.
func (f *tries) taken() []time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	at := f.at
	f.at = nil
	return at
}

// vendorError is a different error at each try.
func vendorError(kind error) func(n int) error {
	return func(n int) error {
		return &keys.CallError{Call: "kms:Any", Kind: kind, Err: fmt.Errorf("try %d", n)}
	}
}

// eachCall runs f in a bubble for a call that wraps and one that unwraps, in both
// modes. The call's outcome is tried with a manager of its own.
func eachCall(t *testing.T, o keys.Options, f func(t *testing.T, w *world, m *keys.Manager, call func() error)) {
	for _, mode := range []string{"stored", "inline"} {
		for _, name := range []string{"wrap", "unwrap"} {
			t.Run(mode+"/"+name, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := worlds()[mode]
					record := seal(t, pan(t, w.manager(t, nil)))
					m := w.manager(t, &o)
					call := func() error {
						_, err := pan(t, m).Open(t.Context(), nil, record, additional())
						return err
					}
					if name == "wrap" {
						call = func() error {
							_, err := scopeOf(t, m, keys.Audit, "").Seal(t.Context(), nil, nil, additional())
							return err
						}
					}
					f(t, w, m, call)
				})
			})
		}
	}
}

func TestTriesOfEachKind(t *testing.T) {
	vendor := errors.New("vendor's words")
	for _, c := range []struct {
		err  error
		want int
	}{
		{keys.ErrThrottled, 4},
		{keys.ErrUnavailable, 4},
		{fmt.Errorf("wrapped: %w", keys.ErrUnavailable), 4},
		{&keys.CallError{Call: "kms:Any", Kind: keys.ErrThrottled, Err: vendor}, 4},
		{keys.ErrNotFound, 1},
		{keys.ErrDisabled, 1},
		{keys.ErrDenied, 1},
		{keys.ErrCorrupt, 1},
		{keys.ErrClosed, 1},
		{vendor, 1},
		{context.Canceled, 1},
		{context.DeadlineExceeded, 1},
		{&keys.CallError{Call: "kms:Any", Kind: keys.ErrUnavailable, Err: context.DeadlineExceeded}, 4}, // the client's own
	} {
		t.Run(c.err.Error(), func(t *testing.T) {
			eachCall(t, keys.Options{}, func(t *testing.T, w *world, _ *keys.Manager, call func() error) {
				f := w.failing(func(int) error { return c.err })
				require.Error(t, call())
				require.Len(t, f.taken(), c.want)
			})
		})
	}
}

func TestTriesOption(t *testing.T) {
	for _, n := range []int{1, 2, 10} {
		eachCall(t, keys.Options{Tries: n, Timeout: 5 * time.Minute}, func(t *testing.T, w *world, _ *keys.Manager, call func() error) {
			f := w.failing(vendorError(keys.ErrUnavailable))
			err := call()
			require.Len(t, f.taken(), n)
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.ErrorContains(t, err, fmt.Sprintf("try %d", n-1), "the last error counts")
		})
	}
}

// An error that another try cannot help ends the tries.
func TestTriesEndAtAnotherKind(t *testing.T) {
	eachCall(t, keys.Options{}, func(t *testing.T, w *world, _ *keys.Manager, call func() error) {
		f := w.failing(func(n int) error { return []error{keys.ErrThrottled, keys.ErrDenied}[min(n, 1)] })
		require.ErrorIs(t, call(), keys.ErrDenied)
		require.Len(t, f.taken(), 2)
	})
}

// The waits grow, stay within their bounds, and differ: they are spread over all
// that is allowed.
func TestTriesWait(t *testing.T) {
	const runs = 100
	eachCall(t, keys.Options{Tries: 10, Timeout: 5 * time.Minute}, func(t *testing.T, w *world, _ *keys.Manager, call func() error) {
		f := w.failing(vendorError(keys.ErrThrottled))
		var early, late [9]int // waits in the lowest and in the highest quarter
		for range runs {
			require.Error(t, call())
			at := f.taken()
			require.Len(t, at, 10)
			for n, bound := 0, firstWait; n < 9; n, bound = n+1, min(2*bound, longestWait) {
				wait := at[n+1].Sub(at[n])
				require.GreaterOrEqual(t, wait, time.Duration(0))
				require.Less(t, wait, bound, "wait %d", n)
				if wait < bound/4 {
					early[n]++
				}
				if wait >= bound-bound/4 {
					late[n]++
				}
			}
		}
		for n := range early { // each quarter gets 25; none of 100 is 3e-13 likely
			require.Positive(t, early[n], "wait %d", n)
			require.Positive(t, late[n], "wait %d", n)
		}
	})
}

// All tries share the manager's Timeout: a wait that would outlast it is not
// begun, and the KMS's own error is told, which says more than that time is over.
func TestTriesWithinTimeout(t *testing.T) {
	const timeout = 100 * time.Millisecond
	eachCall(t, keys.Options{Tries: 10, Timeout: timeout}, func(t *testing.T, w *world, _ *keys.Manager, call func() error) {
		ends := 0
		f := w.failing(vendorError(keys.ErrUnavailable))
		for range 20 {
			began := time.Now()
			err := call()
			require.Less(t, time.Since(began), timeout)
			require.ErrorIs(t, err, keys.ErrUnavailable)
			require.NotErrorIs(t, err, context.DeadlineExceeded)
			if len(f.taken()) < 10 {
				ends++
			}
		}
		require.Positive(t, ends, "no call came to the end of its time")
	})
}

// A KMS that hangs is asked once: its time is over when it is given up.
func TestTriesOfHungKMS(t *testing.T) {
	eachCall(t, keys.Options{Timeout: time.Second}, func(t *testing.T, w *world, _ *keys.Manager, call func() error) {
		var calls atomic.Int64
		w.kek.Before(func(ctx context.Context, _ string, _ int) error {
			calls.Add(1)
			<-ctx.Done()
			return &keys.CallError{Call: "kms:Any", Kind: ctx.Err(), Err: keys.ErrUnavailable}
		})
		began := time.Now()
		require.ErrorIs(t, call(), context.DeadlineExceeded)
		require.Equal(t, time.Second, time.Since(began))
		synctest.Wait() // the caller may leave a little before the call has ended
		require.EqualValues(t, 1, calls.Load())
	})
}

func TestSuccessAfterFailures(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				thrice := func(n int) error {
					if n < 3 {
						return keys.ErrUnavailable
					}
					return nil
				}
				f := w.failing(thrice)
				record := seal(t, pan(t, w.manager(t, nil)))
				require.Len(t, f.taken(), 4)
				f = w.failing(thrice)
				s := pan(t, w.manager(t, nil))
				opens(t, s, record)
				opens(t, s, record)
				require.Len(t, f.taken(), 4, "the key that was unwrapped is kept")
				if mode == "stored" {
					all, active := records(t, w.store, keys.PAN)
					require.Len(t, all, 1, "a try leaves nothing in the store")
					require.Equal(t, 1, active)
					require.Equal(t, keyOf(t, record), all[0].ID)
				}
			})
		})
	}
}

// A caller's context ends his waiting at once; the tries go on for the others.
func TestCallerLeavesBetweenTries(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		bubble(t, func(t *testing.T) {
			w := worlds()[mode]
			record := seal(t, pan(t, w.manager(t, nil)))
			s := pan(t, w.manager(t, nil))
			var wg sync.WaitGroup
			ctx, cancel := context.WithCancel(t.Context())
			f := w.failing(func(n int) error {
				if n < 2 {
					return keys.ErrThrottled
				}
				return nil
			})
			wg.Go(func() {
				_, err := s.Open(ctx, nil, record, additional())
				assert.ErrorIs(t, err, context.Canceled)
			})
			wg.Go(func() {
				_, err := s.Open(t.Context(), nil, record, additional())
				assert.NoError(t, err)
			})
			synctest.Wait() // both wait, after the first try
			began := time.Now()
			cancel()
			synctest.Wait()
			require.Zero(t, time.Since(began))
			wg.Wait()
			require.Len(t, f.taken(), 3)
		})
	}
}

// Close ends a wait between tries at once.
func TestCloseBetweenTries(t *testing.T) {
	eachCall(t, keys.Options{Tries: 10, Timeout: 5 * time.Minute}, func(t *testing.T, w *world, m *keys.Manager, call func() error) {
		f := w.failing(vendorError(keys.ErrUnavailable))
		var err error
		var wg sync.WaitGroup
		wg.Go(func() { err = call() })
		synctest.Wait() // it waits for its next try
		began := time.Now()
		require.NoError(t, m.Close())
		wg.Wait()
		require.Zero(t, time.Since(began))
		require.ErrorIs(t, err, keys.ErrClosed)
		require.Len(t, f.taken(), 1)
	})
}
