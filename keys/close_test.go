package keys_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

func TestClosed(t *testing.T) {
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			m := w.manager(t, nil)
			s, unused := pan(t, m), scopeOf(t, m, keys.Audit, "shop")
			record := seal(t, s)
			for range 4 {
				opens(t, s, record)
			}
			require.NoError(t, m.Close())
			require.NoError(t, m.Close())
			calls := w.calls()
			for _, s := range []*keys.Scope{s, unused} {
				got, err := s.Seal(t.Context(), nil, []byte(message), additional())
				require.Nil(t, got)
				require.ErrorIs(t, err, keys.ErrClosed)
				refuses(t, s, record, additional(), keys.ErrClosed)
				_, err = s.ActiveKey(t.Context())
				require.ErrorIs(t, err, keys.ErrClosed)
				s.Refresh()
			}
			_, err := m.Scope(keys.PAN, "shop")
			require.ErrorIs(t, err, keys.ErrClosed)
			_, err = m.Records(t.Context(), keys.PAN)
			require.ErrorIs(t, err, keys.ErrClosed)
			if mode == "stored" {
				_, err = m.Rotate(t.Context(), keys.PAN)
				require.ErrorIs(t, err, keys.ErrClosed)
				_, err = s.Subkey(t.Context(), keyOf(t, record), "label")
				require.ErrorIs(t, err, keys.ErrClosed)
			}
			m.Renew()
			_, err = s.Seal(t.Context(), nil, nil, additional())
			require.ErrorIs(t, err, keys.ErrClosed)
			require.Equal(t, calls, w.calls())
		})
	}
}

func TestCloseWipes(t *testing.T) {
	m := newWorld().manager(t, nil)
	peek := keys.Peek(m, keys.PAN, keyOf(t, seal(t, pan(t, m))))
	require.NoError(t, m.Close())
	raw, scopes := peek()
	require.Empty(t, raw)
	require.Zero(t, scopes)
}

// Close waits for a KMS that does not look at its context, ends one that does,
// and tells whoever waits. The bubble sees to it that no goroutine stays behind.
func TestCloseWaitsForCalls(t *testing.T) {
	for _, obeys := range []bool{true, false} {
		for _, mode := range []string{"stored", "inline"} {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				record := seal(t, pan(t, w.manager(t, nil)))
				m := w.manager(t, nil)
				s := pan(t, m)
				over := 0
				var mu sync.Mutex
				w.kek.Before(func(ctx context.Context, _ string, _ int) error {
					defer func() { mu.Lock(); over++; mu.Unlock() }()
					if obeys {
						<-ctx.Done()
						return ctx.Err()
					}
					time.Sleep(3 * time.Second)
					return nil
				})
				var wg sync.WaitGroup
				wg.Go(func() {
					_, err := s.Open(t.Context(), nil, record, additional())
					assert.ErrorIs(t, err, keys.ErrClosed)
					assert.ErrorIs(t, err, envelope.ErrOpen)
				})
				wg.Go(func() {
					_, err := scopeOf(t, m, keys.Audit, "").Seal(t.Context(), nil, nil, additional())
					assert.ErrorIs(t, err, keys.ErrClosed)
				})
				synctest.Wait()
				start := time.Now()
				for range 3 { // each of several waits
					wg.Go(func() {
						assert.NoError(t, m.Close())
						mu.Lock()
						assert.Equal(t, 2, over, "calls that Close did not wait for")
						mu.Unlock()
					})
				}
				wg.Wait()
				want := 3 * time.Second
				if obeys {
					want = 0
				}
				require.Equal(t, want, time.Since(start))
				require.Zero(t, keys.HeldByScope(s))
			})
		}
	}
}

// The context of Open may end: calls have contexts of their own.
func TestOpenContextEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		ctx, cancel := context.WithCancel(t.Context())
		m, err := keys.Open(ctx, w.store, w.kek, nil)
		require.NoError(t, err)
		defer m.Close()
		cancel()
		w.kek.Before(func(ctx context.Context, _ string, _ int) error {
			time.Sleep(time.Second)
			return ctx.Err()
		})
		s := pan(t, m)
		opens(t, s, seal(t, s))
	})
}
