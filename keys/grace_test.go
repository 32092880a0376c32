package keys_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// clocks are three clocks that lie well apart.
func clocks() *keys.Options {
	return &keys.Options{
		SealLease: 5 * time.Minute, RefreshAfter: 20 * time.Minute,
		CacheLife: time.Hour, Grace: 2 * time.Hour, RenewAge: 24 * time.Hour,
	}
}

// events notes what an observer is told.
type events struct {
	mu  sync.Mutex
	all []keys.Event
}

func (e *events) Observe(_ context.Context, event keys.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, event)
}

func (e *events) of(kind keys.EventKind) (some []keys.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, event := range e.all {
		if event.Kind == kind {
			some = append(some, event)
		}
	}
	return some
}

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

// While store or KMS cannot be reached, a key serves past its life by the grace
// and no longer. With any other answer it does not, whenever that comes.
func TestGrace(t *testing.T) {
	const life, all = time.Hour, 3 * time.Hour
	cases := map[string]struct {
		err   error
		p     keys.Purpose
		serve time.Duration // how long it opens, from the failures' begin
	}{
		"unavailable":         {keys.ErrUnavailable, keys.PAN, all},
		"throttled":           {keys.ErrThrottled, keys.PAN, all},
		"code":                {keys.ErrUnavailable, keys.CVC, life},
		"corrupt":             {keys.ErrCorrupt, keys.PAN, life},
		"of no kind":          {errors.New("of no kind"), keys.PAN, life},
		"denied":              {keys.ErrDenied, keys.PAN, 22 * time.Minute},
		"disabled":            {keys.ErrDisabled, keys.PAN, 22 * time.Minute},
		"not found":           {keys.ErrNotFound, keys.PAN, 22 * time.Minute},
		"denied, others away": {errors.Join(keys.ErrUnavailable, keys.ErrDenied), keys.PAN, 22 * time.Minute},
	}
	for name, c := range cases {
		for _, where := range []string{"kms", "store"} {
			if where == "store" && c.err == keys.ErrCorrupt {
				continue
			}
			t.Run(name+"/"+where, func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					w := newWorld()
					record := seal(t, scopeOf(t, w.manager(t, nil), c.p, "shop"))
					h := w.hooked()
					s := scopeOf(t, w.manager(t, clocks()), c.p, "shop")
					opens(t, s, record)
					start := time.Now()
					if where == "kms" {
						w.kek.SetError(c.err)
					} else {
						h.fail(c.err)
					}
					for {
						if _, err := s.Open(t.Context(), nil, record, additional()); err != nil {
							if where == "kms" || c.err != keys.ErrNotFound {
								require.ErrorIs(t, err, c.err)
							}
							break
						}
						sleep(t, "10s")
					}
					served := time.Since(start)
					require.LessOrEqual(t, served, c.serve)
					require.Greater(t, served, c.serve*8/10)
					w.kek.SetError(nil)
					h.hooks(nil, nil)
					sleep(t, "3s")
					opens(t, s, record)
				})
			})
		}
	}
}

// A key that nobody refreshed comes into grace at its next use, and is given up
// for good once that says no.
func TestGraceWithoutRefresh(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				o, seen := clocks(), &events{}
				o.RefreshAfter, o.Observer = 0, seen
				m := w.manager(t, o)
				s := pan(t, m)
				record := seal(t, s)
				salt := saltOf(t, record)
				w.kek.SetError(keys.ErrUnavailable)
				sleep(t, "90m")
				opens(t, s, record)
				require.Equal(t, salt, saltOf(t, seal(t, s)))
				require.NotEmpty(t, seen.of(keys.Grace))
				before := time.Now()
				for range 50 {
					opens(t, s, record)
				}
				require.Zero(t, time.Since(before), "each use asks again")

				w.kek.SetError(keys.ErrDenied)
				sleep(t, "1m")
				require.False(t, keys.HeldKey(m, keys.PAN, keyOf(t, record)), "kept although the KMS said no")
				refuses(t, s, record, additional(), keys.ErrDenied)
				require.Len(t, seen.of(keys.Ended), 1)
				w.kek.SetError(keys.ErrUnavailable)
				refuses(t, s, record, additional(), keys.ErrUnavailable)
			})
		})
	}
}

// In grace, too, a key ends by either clock.
func TestGraceEndsByBothClocks(t *testing.T) {
	const left = 2 * time.Hour
	for _, c := range []struct {
		wall, monotonic time.Duration
		ends            bool
	}{{left, 0, true}, {0, left, true}, {-left, left, true}, {-left, 0, false}, {0, 0, false}} {
		w := newWorld()
		o := clocks()
		o.Tries = 1
		m := w.manager(t, o)
		s := pan(t, m)
		record := seal(t, s)
		id := keyOf(t, record)
		w.kek.SetError(keys.ErrUnavailable)
		keys.AgeKey(m, keys.PAN, id, time.Hour, time.Hour)
		keys.Expire(m)
		opens(t, s, record)
		peek := keys.Peek(m, keys.PAN, id)
		keys.AgeKey(m, keys.PAN, id, c.wall, c.monotonic)
		keys.Expire(m)
		raw, _ := peek()
		require.Equal(t, c.ends, len(raw) == 0, "%+v", c)
		if c.ends {
			refuses(t, s, record, additional(), keys.ErrUnavailable)
		}
	}
}

// The KMS that comes back has to say yes: with anything else grace is over.
func TestGraceEndsWithAnyAnswer(t *testing.T) {
	for _, kind := range []error{keys.ErrCorrupt, keys.ErrDenied, errors.New("of no kind")} {
		bubble(t, func(t *testing.T) {
			w := newWorld()
			s := pan(t, w.manager(t, clocks()))
			record := seal(t, s)
			w.kek.SetError(keys.ErrUnavailable)
			sleep(t, "70m")
			opens(t, s, record)
			w.kek.SetError(kind)
			sleep(t, "1m")
			refuses(t, s, record, additional(), kind)
			_, err := s.Seal(t.Context(), nil, nil, additional())
			require.ErrorIs(t, err, kind)
		})
	}
}

// A key whose KMS came back has its whole life before it again.
func TestGraceIsOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		m := w.manager(t, clocks())
		s := pan(t, m)
		record := seal(t, s)
		w.kek.SetError(keys.ErrUnavailable)
		sleep(t, "70m")
		opens(t, s, record)
		w.kek.SetError(nil)
		sleep(t, "2m")
		w.kek.SetError(keys.ErrUnavailable)
		sleep(t, "170m") // from the moment the KMS came back
		opens(t, s, record)
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

// Whoever sends a record with a key's ID and a wrapping of his own, at which the KMS
// takes offence, does not end the key, nor does he open anything by its grace.
func TestForgedWrappingInGrace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inlineWorld()
		o := clocks()
		o.RefreshAfter = 0
		m := w.manager(t, o)
		s := pan(t, m)
		record := foreign(t, w, 1)[0]
		opens(t, s, record)
		sleep(t, "61m") // past its life, and not asked for yet
		h := header(t, record)
		forged := append([]byte(nil), record...)
		at := bytes.Index(forged, h.Reference.Wrapped)
		require.Positive(t, at)
		forged[at+len(h.Reference.Wrapped)-1] ^= 1
		w.kek.SetError(keys.ErrDenied)
		refuses(t, s, forged, additional(), keys.ErrDenied)
		require.True(t, keys.HeldKey(m, keys.PAN, h.Reference.KeyID))
		w.kek.SetError(keys.ErrUnavailable)
		refuses(t, s, forged, additional(), keys.ErrUnavailable)
		opens(t, s, record)
		refuses(t, s, forged, additional())
	})
}
