package keys_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

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
