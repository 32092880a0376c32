package keys_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// Everything at once: 64 goroutines seal and open while salts are renewed, keys
// rotated, evicted and read anew, and at the end the manager closes under them.
// Until then no call fails, and every record opens everywhere.
func TestEverythingAtOnce(t *testing.T) {
	const workers, each = 64, 150
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			o := &keys.Options{CacheKeys: 4, InlineUnwraps: 60000}
			m := w.manager(t, o)
			scopes := []*keys.Scope{pan(t, m), pan(t, m), scopeOf(t, m, keys.PAN, "shop2")}
			pool := make([]atomic.Pointer[pooled], 32)
			var closing atomic.Bool
			fine := func(err error) bool {
				return err == nil || closing.Load() && errors.Is(err, keys.ErrClosed)
			}
			// The disturber keeps in step with the workers: a key that is evicted again and
			// again before a caller has his turn with it is none that he can be given.
			steps := make(chan struct{})
			var work, disturb sync.WaitGroup
			for i := range workers {
				work.Go(func() {
					s := scopes[i%len(scopes)]
					for n := range each * 2 {
						if n == each && i == 0 {
							closing.Store(true)
							assert.NoError(t, m.Close())
						}
						if n%8 == i%8 {
							steps <- struct{}{}
						}
						record, err := s.Seal(t.Context(), nil, []byte(message), additional())
						if !assert.True(t, fine(err), "seal: %v", err) {
							return
						}
						if err == nil {
							pool[(i*7+n)%len(pool)].Store(&pooled{record, i % len(scopes)})
						}
						p := pool[(i*3+n*5)%len(pool)].Load()
						if p == nil {
							continue
						}
						got, err := scopes[p.scope].Open(t.Context(), nil, p.record, additional())
						if !assert.True(t, fine(err), "open: %v", err) {
							return
						}
						if err == nil && !assert.Equal(t, message, string(got)) {
							return
						}
					}
				})
			}
			disturb.Go(func() {
				n := 0
				for range steps {
					m.Renew()
					keys.Expire(m)
					scopes[0].Refresh()
					if n++; n%8 == 0 && mode == "stored" {
						_, err := m.Rotate(t.Context(), keys.PAN)
						assert.True(t, fine(err), "rotate: %v", err)
					}
				}
			})
			work.Wait()
			close(steps)
			disturb.Wait()

			last := w.manager(t, o)
			again := []*keys.Scope{pan(t, last), pan(t, last), scopeOf(t, last, keys.PAN, "shop2")}
			for i := range pool {
				if p := pool[i].Load(); p != nil {
					opens(t, again[p.scope], p.record)
				}
			}
		})
	}
}

type pooled struct {
	record []byte
	scope  int
}

// Where the cache has room for fewer keys than are wanted at once, a call may
// fail with a kind worth another try. It must not leave the ring unable to seal.
func TestEvictionUnderSealing(t *testing.T) {
	w := newWorld()
	all := rotated(t, w, 3)
	m := w.manager(t, &keys.Options{CacheKeys: 1})
	s := pan(t, m)
	rounds := 1500
	if testing.Short() {
		rounds = 300
	}
	for n := range rounds {
		var wg sync.WaitGroup
		for i := range 2 {
			wg.Go(func() {
				_, err := s.Open(t.Context(), nil, all[(n+i)%len(all)], additional())
				if err != nil {
					assert.ErrorIs(t, err, keys.ErrUnavailable)
				}
			})
		}
		s.Refresh()
		_, err := s.Seal(t.Context(), nil, nil, additional())
		if err != nil {
			assert.ErrorIs(t, err, keys.ErrUnavailable)
		}
		wg.Wait()
		_, err = s.Seal(t.Context(), nil, nil, additional())
		require.NoError(t, err, "round %d", n)
		require.LessOrEqual(t, keys.HeldKeys(m, keys.PAN), 1)
	}
}

// Callers that leave in the middle disturb nobody.
func TestCallersThatLeave(t *testing.T) {
	w := newWorld()
	all := rotated(t, w, 8)
	m := w.manager(t, &keys.Options{CacheKeys: 2})
	s := pan(t, m)
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for n := range 50 {
				ctx, cancel := context.WithCancel(t.Context())
				go cancel()
				got, err := s.Open(ctx, nil, all[(i+n)%len(all)], additional())
				cancel()
				switch {
				case err == nil:
					assert.Equal(t, message, string(got))
				case errors.Is(err, keys.ErrUnavailable): // evicted too often
				default:
					assert.ErrorIs(t, err, context.Canceled)
					assert.ErrorIs(t, err, envelope.ErrOpen)
				}
			}
		})
	}
	wg.Wait()
	for _, r := range all {
		opens(t, s, r)
	}
}
