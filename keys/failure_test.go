package keys_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

var kinds = []error{
	keys.ErrNotFound, keys.ErrDisabled, keys.ErrDenied, keys.ErrThrottled,
	keys.ErrUnavailable, keys.ErrCorrupt,
}

// Each kind comes through with the vendor's error beside it, and is forgotten at
// once.
func TestKindsOfFailure(t *testing.T) {
	vendor := errors.New("vendor's words")
	for mode, w := range worlds() {
		record := seal(t, pan(t, w.manager(t, nil)))
		for _, kind := range kinds {
			t.Run(mode+"/"+kind.Error(), func(t *testing.T) {
				s := pan(t, w.manager(t, nil))
				w.kek.SetError(fmt.Errorf("%w: %w", kind, vendor))
				got, err := s.Seal(t.Context(), []byte("kept"), []byte(message), additional())
				require.Nil(t, got)
				require.ErrorIs(t, err, kind)
				require.ErrorIs(t, err, vendor)
				require.NotErrorIs(t, err, envelope.ErrOpen)
				if mode == "inline" && kind == keys.ErrCorrupt {
					refuses(t, s, record, additional())
				} else {
					refuses(t, s, record, additional(), kind, vendor)
				}
				for _, other := range kinds {
					if _, err := s.ActiveKey(t.Context()); other != kind {
						require.NotErrorIs(t, err, other)
					}
				}
				w.kek.SetError(nil)
				opens(t, s, record)
				opens(t, s, seal(t, s))
			})
		}
	}
}

func TestStoreFailures(t *testing.T) {
	w := newWorld()
	h := w.hooked()
	record := seal(t, pan(t, w.manager(t, nil)))
	for _, kind := range []error{keys.ErrUnavailable, keys.ErrThrottled, keys.ErrDenied, keys.ErrCorrupt} {
		m := w.manager(t, nil)
		s := pan(t, m)
		h.fail(kind)
		_, err := s.Seal(t.Context(), nil, []byte(message), additional())
		require.ErrorIs(t, err, kind)
		refuses(t, s, record, additional(), kind)
		_, err = m.Rotate(t.Context(), keys.PAN)
		require.ErrorIs(t, err, kind)
		_, err = m.Records(t.Context(), keys.PAN)
		require.ErrorIs(t, err, kind)
		_, err = s.Subkey(t.Context(), keyOf(t, record), "label")
		require.ErrorIs(t, err, kind)
		h.hooks(nil, nil)
		opens(t, s, record)
		opens(t, s, seal(t, s))
	}
}

// A data key of another length is refused, whatever the KMS says.
func TestWrongLengthDataKey(t *testing.T) {
	w := newWorld()
	record := seal(t, pan(t, w.manager(t, nil)))
	for _, n := range []int{0, 16, 31, 33, 64} {
		s := pan(t, w.managerWith(t, &oddKEK{KEK: w.kek, n: n}, nil))
		refuses(t, s, record, additional(), keys.ErrCorrupt)
		opens(t, pan(t, w.manager(t, nil)), record)
	}
}

type oddKEK struct {
	keys.KEK
	n int
}

func (k *oddKEK) Unwrap(_ context.Context, dst, _ []byte, _ keys.Binding) ([]byte, error) {
	return append(dst, make([]byte, k.n)...), nil
}

// genKEK makes data keys itself, of a length the test picks.
type genKEK struct {
	keys.KEK
	n     int
	short bool
	calls int
}

func (k *genKEK) GenerateDataKey(ctx context.Context, dst []byte, b keys.Binding) ([]byte, []byte, error) {
	k.calls++
	raw := make([]byte, k.n)
	for i := range raw {
		raw[i] = byte(i + 1)
	}
	if k.short {
		return append(dst, raw...), nil, nil
	}
	if k.n != keys.DataKeySize {
		return append(dst, raw...), []byte("wrapped"), nil
	}
	wrapped, err := k.Wrap(ctx, nil, raw, b)
	return append(dst, raw...), wrapped, err
}

func TestGeneratorIsPreferred(t *testing.T) {
	for mode, w := range worlds() {
		g := &genKEK{KEK: w.kek, n: keys.DataKeySize}
		s := pan(t, w.managerWith(t, g, nil))
		record := seal(t, s)
		opens(t, s, record)
		opens(t, pan(t, w.manager(t, nil)), record)
		require.Equal(t, 1, g.calls, mode)

		for _, bad := range []*genKEK{{KEK: w.kek, n: 32, short: true}, {KEK: w.kek, n: 16}, {KEK: w.kek, n: 33}, {KEK: w.kek}} {
			_, err := scopeOf(t, w.managerWith(t, bad, nil), "x-new", "").Seal(t.Context(), nil, nil, additional())
			require.ErrorIs(t, err, keys.ErrCorrupt, mode)
		}
	}
}

func TestWaiterLeavesAtItsOwnDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		record := seal(t, pan(t, w.manager(t, nil)))
		s := pan(t, w.manager(t, nil))
		start := time.Now()
		w.kek.Before(func(ctx context.Context, _ string, _ int) error {
			time.Sleep(5 * time.Second)
			return ctx.Err()
		})
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i+1)*time.Second)
				defer cancel()
				_, err := s.Open(ctx, nil, record, additional())
				if i < 4 {
					assert.ErrorIs(t, err, context.DeadlineExceeded)
					assert.ErrorIs(t, err, envelope.ErrOpen)
					assert.NotErrorIs(t, err, keys.ErrUnavailable, "the KMS is not to blame")
					assert.Equal(t, time.Duration(i+1)*time.Second, time.Since(start))
				} else if i > 4 {
					assert.NoError(t, err)
				}
			})
		}
		wg.Wait()
		require.Equal(t, 1, w.kek.Unwraps())
	})
}

func TestFirstCallerGoesAndOthersStay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		record := seal(t, pan(t, w.manager(t, nil)))
		s := pan(t, w.manager(t, nil))
		gate := make(chan struct{})
		w.kek.Before(func(ctx context.Context, _ string, _ int) error { <-gate; return ctx.Err() })
		first, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := s.Open(first, nil, record, additional())
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		for range 8 {
			wg.Go(func() {
				_, err := s.Open(t.Context(), nil, record, additional())
				assert.NoError(t, err)
			})
		}
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(gate)
		wg.Wait()
		require.Equal(t, 1, w.kek.Unwraps())
	})
}

func TestEndedContextMakesNoCall(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		bubble(t, func(t *testing.T) {
			w := worlds()[mode]
			record := seal(t, pan(t, w.manager(t, nil)))
			if mode == "stored" {
				w.hooked()
			}
			s, calls := pan(t, w.manager(t, nil)), w.calls()
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			_, err := s.Seal(ctx, nil, nil, additional())
			require.ErrorIs(t, err, context.Canceled, mode)
			_, err = s.Open(ctx, nil, record, additional())
			require.ErrorIs(t, err, context.Canceled, mode)
			require.ErrorIs(t, err, envelope.ErrOpen, mode)
			synctest.Wait()
			require.Equal(t, calls, w.calls(), mode)
			if h, ok := w.store.(*hookStore); ok {
				require.Empty(t, h.ops)
			}
		})
	}
}

type contextKey struct{}

// Trace identifiers and the like travel in a context's values.
func TestCallersValuesReachTheKMS(t *testing.T) {
	for mode, w := range worlds() {
		var seen []any
		w.kek.Before(func(ctx context.Context, _ string, _ int) error {
			_, bounded := ctx.Deadline()
			assert.True(t, bounded, "no deadline")
			seen = append(seen, ctx.Value(contextKey{}))
			return nil
		})
		ctx := context.WithValue(t.Context(), contextKey{}, "seal")
		record, err := pan(t, w.manager(t, nil)).Seal(ctx, nil, []byte(message), additional())
		require.NoError(t, err)
		ctx = context.WithValue(t.Context(), contextKey{}, "open")
		_, err = pan(t, w.manager(t, nil)).Open(ctx, nil, record, additional())
		require.NoError(t, err)
		require.Equal(t, []any{"seal", "open"}, seen, mode)
	}
}

// A call that takes longer than Options.Timeout is the KMS's failure.
func TestTimeout(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				s := pan(t, w.manager(t, &keys.Options{Timeout: 3 * time.Second}))
				w.kek.Before(func(ctx context.Context, _ string, _ int) error { <-ctx.Done(); return ctx.Err() })
				start := time.Now()
				_, err := s.Seal(t.Context(), nil, nil, additional())
				require.ErrorIs(t, err, keys.ErrUnavailable)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, 3*time.Second, time.Since(start))
				w.kek.Before(nil)
				opens(t, s, seal(t, s))
			})
		})
	}
}
