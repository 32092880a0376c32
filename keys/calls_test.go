package keys_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// The budget of design: one KMS call per million seals, per ring and process.
func TestCallsPerMillionSeals(t *testing.T) {
	n := million
	if testing.Short() {
		n = 200_000
	}
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			m := w.manager(t, nil)
			scopes := []*keys.Scope{pan(t, m), scopeOf(t, m, keys.PAN, "a"), scopeOf(t, m, keys.PAN, "b")}
			a, plain, dst := additional(), []byte(message), make([]byte, 0, 256)
			for i := range n {
				if _, err := scopes[i%len(scopes)].Seal(t.Context(), dst, plain, a); err != nil {
					t.Fatal(err)
				}
			}
			require.Equal(t, 1, w.calls())
			seal(t, scopeOf(t, m, keys.Audit, "shop"))
			require.Equal(t, 2, w.calls(), "another ring")
		})
	}
}

// crowd starts n calls at once in a bubble, holds the KMS until all of them wait,
// lets go and returns when all are done.
func crowd(w *world, n int, call func(i int)) {
	gate := make(chan struct{})
	w.kek.Before(func(context.Context, string, int) error { <-gate; return nil })
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { call(i) })
	}
	synctest.Wait()
	close(gate)
	wg.Wait()
	w.kek.Before(nil)
}

func TestOneUnwrapForManyColdOpens(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				record := seal(t, pan(t, w.manager(t, nil)))
				s := pan(t, w.manager(t, nil))
				// More callers than the inline budget has calls.
				crowd(w, 64, func(int) {
					got, err := s.Open(t.Context(), nil, record, additional())
					assert.NoError(t, err)
					assert.Equal(t, message, string(got))
				})
				require.Equal(t, 1, w.kek.Unwraps())
				require.Equal(t, 1, w.kek.Wraps())
			})
		})
	}
}

// A process that starts by sealing and opening at once asks for the key once.
func TestOneUnwrapForColdSealsAndOpens(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		record := seal(t, pan(t, w.manager(t, nil)))
		s := pan(t, w.manager(t, nil))
		crowd(w, 64, func(i int) {
			if i%2 == 0 {
				_, err := s.Seal(t.Context(), nil, []byte(message), additional())
				assert.NoError(t, err)
				return
			}
			_, err := s.Open(t.Context(), nil, record, additional())
			assert.NoError(t, err)
		})
		require.Equal(t, 1, w.kek.Unwraps())
	})
}

func TestOneWrapForManyFirstSeals(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				s := pan(t, w.manager(t, nil))
				crowd(w, 64, func(int) {
					_, err := s.Seal(t.Context(), nil, []byte(message), additional())
					assert.NoError(t, err)
				})
				require.Equal(t, 1, w.calls())
			})
		})
	}
}

// An ID the store lacks costs one look-up, then none until it is forgotten.
func TestUnknownKeyIDs(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		h := w.hooked()
		m := w.manager(t, nil)
		s := pan(t, m)
		record := seal(t, s)
		calls := w.calls()
		unknown := append([]byte(nil), record...)
		unknown[2] ^= 1
		for range 50 {
			refuses(t, s, unknown, additional(), envelope.ErrUnknownKey)
		}
		require.Equal(t, 1, h.count("get"))
		for i := range 3000 {
			unknown[3], unknown[4] = byte(i), byte(i>>8)
			unknown[2] = record[2] ^ 2
			refuses(t, s, unknown, additional(), envelope.ErrUnknownKey)
			require.LessOrEqual(t, keys.MissingKeys(m, keys.PAN), 1024)
		}
		require.Equal(t, calls, w.calls(), "KMS calls for keys that do not exist")
		opens(t, s, record)
	})
}

// What was missing is looked up again soon: another process may have made it.
func TestMissingKeyComesIntoBeing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		record := seal(t, pan(t, w.manager(t, nil)))
		h := w.hooked()
		late := true // a replica that has not caught up yet
		h.hooks(func(_ context.Context, op string, _ int) error {
			if op == "get" && late {
				return keys.ErrNotFound
			}
			return nil
		}, nil)
		s := pan(t, w.manager(t, nil))
		refuses(t, s, record, additional(), envelope.ErrUnknownKey)
		late = false
		refuses(t, s, record, additional(), envelope.ErrUnknownKey)
		sleep(t, "2s")
		opens(t, s, record)
	})
}
