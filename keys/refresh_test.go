package keys_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// A key in use is asked for again in good time and nobody waits for it; one that
// nobody uses is not, and ends.
func TestRefreshInTheBackground(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				used, idle := seal(t, pan(t, w.manager(t, nil))), []byte(nil)
				if mode == "stored" {
					m := w.manager(t, nil)
					_, err := m.Rotate(t.Context(), keys.PAN)
					require.NoError(t, err)
					idle = seal(t, pan(t, m))
				} else {
					idle = foreign(t, w, 1)[0]
				}
				o := clocks()
				o.Grace = 0
				m := w.manager(t, o)
				s := pan(t, m)
				w.kek.Before(func(context.Context, string, int) error { time.Sleep(5 * time.Second); return nil })
				opens(t, s, used)
				opens(t, s, idle)
				unwraps, start := w.kek.Unwraps(), time.Now()
				sleep(t, "1s") // so that no tick falls on the life's end
				for time.Since(start) < 5*time.Hour {
					before := time.Now()
					opens(t, s, used)
					require.Zero(t, time.Since(before), "a caller waited for the KMS")
					sleep(t, "1m")
					require.Equal(t, time.Since(start) < time.Hour, keys.HeldKey(m, keys.PAN, keyOf(t, idle)))
				}
				calls := w.kek.Unwraps() - unwraps
				require.InDelta(t, 14, calls, 1, "asked for once in each RefreshAfter")
			})
		})
	}
}

// What a process seals under is refreshed as well, without a new salt.
func TestRefreshOfSealing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		s := pan(t, w.manager(t, clocks()))
		first, start := seal(t, s), time.Now()
		for time.Since(start) < 5*time.Hour {
			require.Equal(t, saltOf(t, first), saltOf(t, seal(t, s)))
			sleep(t, "1m")
		}
		require.InDelta(t, 14, w.kek.Unwraps(), 1)
		sleep(t, "2h") // nobody seals: nothing is asked
		require.InDelta(t, 14, w.kek.Unwraps(), 2)
	})
}

// A KMS that suddenly gives another key is not believed, and the one it gave
// before does not live longer for it.
func TestRefreshGivesAnotherKey(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		k := &turncoat{KEK: w.kek}
		seen := &events{}
		o := clocks()
		o.Observer = seen
		s := pan(t, w.managerWith(t, k, o))
		record := seal(t, s)
		k.turned = true
		sleep(t, "30m")
		opens(t, s, record)
		sleep(t, "25m")
		opens(t, s, record)
		for _, e := range seen.of(keys.Refreshed) {
			assert.ErrorIs(t, e.Err, keys.ErrCorrupt)
		}
		sleep(t, "5m")
		_, err := s.Open(t.Context(), nil, record, additional())
		require.ErrorIs(t, err, keys.ErrCorrupt)
	})
}

type turncoat struct {
	keys.KEK
	turned bool
}

func (k *turncoat) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	out, err := k.KEK.Unwrap(ctx, dst, wrapped, b)
	if err == nil && k.turned {
		out[len(out)-1] ^= 1
	}
	return out, err
}

// Many keys due at once are asked for a few at a time.
func TestRefreshesAreFew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		all := rotated(t, w, 50)
		m := w.manager(t, clocks())
		s := pan(t, m)
		for _, r := range all {
			opens(t, s, r)
		}
		var mu sync.Mutex
		running, most, calls := 0, 0, 0
		w.kek.Before(func(context.Context, string, int) error {
			mu.Lock()
			running++
			calls++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running--
			mu.Unlock()
			return nil
		})
		sleep(t, "22m")
		for _, r := range all {
			opens(t, s, r)
		}
		sleep(t, "1m")
		require.Equal(t, 50, calls)
		require.Equal(t, 8, most)
		for _, r := range all {
			opens(t, s, r)
		}
		sleep(t, "22m")
		for _, r := range all {
			opens(t, s, r)
		}
		require.NoError(t, m.Close()) // the bubble sees what stays behind
	})
}

// A key's life runs from the question, not from an answer that took its time.
func TestLifeRunsWhileTheKMSAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		record := seal(t, pan(t, w.manager(t, nil)))
		m := w.manager(t, &keys.Options{Timeout: 5 * time.Minute})
		w.kek.Before(func(context.Context, string, int) error { time.Sleep(4 * time.Minute); return nil })
		s := pan(t, m)
		opens(t, s, record)
		sleep(t, "50m")
		require.True(t, keys.HeldKey(m, keys.PAN, keyOf(t, record)))
		sleep(t, "6m")
		require.False(t, keys.HeldKey(m, keys.PAN, keyOf(t, record)))
	})
}

// However many scopes share a key, an outage costs the calls of one set of tries a
// tick, and one more when the key's time to refresh and its life are over.
func TestCallsInAnOutage(t *testing.T) {
	for name, o := range map[string]*keys.Options{
		"refreshing": {RefreshAfter: 20 * time.Minute}, "graceful": {Grace: time.Hour},
		"both": {RefreshAfter: 50 * time.Minute, Grace: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const tick, tries, d = 15 * time.Second, 4, 30 * time.Minute
				w := newWorld()
				m := w.manager(t, o)
				var scopes []*keys.Scope
				var records [][]byte
				for i := range 50 {
					scopes = append(scopes, scopeOf(t, m, keys.PAN, string(rune('A'+i))))
					records = append(records, seal(t, scopes[i]))
				}
				use := func(d time.Duration) {
					for end := time.Now().Add(d); time.Now().Before(end); {
						for i, s := range scopes { // one after the other, so that no two share a call
							opens(t, s, records[i])
							seal(t, s)
							sleep(t, "500ms")
						}
					}
				}
				before := o.RefreshAfter
				if before == 0 {
					before = time.Hour
				}
				use(before - time.Minute)
				w.kek.SetError(keys.ErrUnavailable)
				calls := w.calls()
				use(d)
				got := w.calls() - calls
				t.Logf("%d calls", got)
				require.LessOrEqual(t, got, tries*(int(d/tick)+2))
				require.Greater(t, got, tries*int(d/tick)*9/10, "the KMS is asked whether it is back")
				w.kek.SetError(nil)
				sleep(t, "30s")
				calls = w.calls()
				use(5 * time.Minute)
				require.Equal(t, calls, w.calls(), "the key has a new life")
			})
		})
	}
}
