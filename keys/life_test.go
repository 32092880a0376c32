package keys_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// At the end of its life a data key is wiped with all that came from it, used or
// not; the next use costs one call.
func TestCacheLife(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				record := seal(t, pan(t, w.manager(t, nil)))
				id := keyOf(t, record)
				m := w.manager(t, &keys.Options{CacheLife: 10 * time.Minute})
				s := pan(t, m)
				time.Sleep(time.Second) // so that no tick falls on the life's end
				for range 3 {
					unwraps := w.kek.Unwraps()
					for range 9 {
						opens(t, s, record)
						require.True(t, keys.HeldKey(m, keys.PAN, id))
						sleep(t, "1m")
					}
					require.True(t, keys.CachedSealingKey(m, keys.PAN, "shop", record))
					peek := keys.Peek(m, keys.PAN, id)
					raw, scopes := peek()
					require.Len(t, raw, keys.DataKeySize)
					require.Equal(t, 1, scopes)
					sleep(t, "1m")
					raw, scopes = peek()
					require.Empty(t, raw, "not wiped")
					require.Zero(t, scopes)
					require.Zero(t, keys.HeldKeys(m, keys.PAN))
					require.False(t, keys.CachedSealingKey(m, keys.PAN, "shop", record))
					require.Equal(t, unwraps+1, w.kek.Unwraps())

					w.kek.SetError(keys.ErrUnavailable) // there is no grace
					refuses(t, s, record, additional(), keys.ErrUnavailable)
					w.kek.SetError(nil)
					unwraps = w.kek.Unwraps()
					opens(t, s, record)
					require.Equal(t, unwraps+1, w.kek.Unwraps())
					keys.Evict(m, keys.PAN, id)
				}
			})
		})
	}
}

// What a process seals under ends with the cache life as well: a stored key
// comes back with one unwrap, an inline key is replaced.
func TestCacheLifeOfSealing(t *testing.T) {
	for _, mode := range []string{"stored", "inline"} {
		t.Run(mode, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := worlds()[mode]
				s := pan(t, w.manager(t, &keys.Options{CacheLife: 10 * time.Minute}))
				first := seal(t, s)
				sleep(t, "9m")
				require.Equal(t, saltOf(t, first), saltOf(t, seal(t, s)))
				require.Equal(t, 1, w.calls())
				sleep(t, "1m")
				w.kek.SetError(keys.ErrDenied)
				_, err := s.Seal(t.Context(), nil, nil, additional())
				require.ErrorIs(t, err, keys.ErrDenied)
				w.kek.SetError(nil)
				calls := w.calls()
				second := seal(t, s)
				require.Equal(t, calls+1, w.calls())
				require.NotEqual(t, saltOf(t, first), saltOf(t, second))
				require.Equal(t, mode == "stored", keyOf(t, first) == keyOf(t, second))
				opens(t, s, first)
				opens(t, s, second)
			})
		})
	}
}

func TestRenewalByAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		o := patient()
		o.RenewAge = time.Minute
		m := w.manager(t, o)
		s, twin := pan(t, m), scopeOf(t, m, keys.PAN, "twin")
		var salts []envelope.Salt
		time.Sleep(time.Second) // so that no tick falls on the salt's end
		for range 5 {
			salt := saltOf(t, seal(t, s))
			require.Equal(t, salt, saltOf(t, seal(t, twin)), "one salt for the ring")
			require.NotContains(t, salts, salt)
			salts = append(salts, salt)
			sleep(t, "56s")
			require.Equal(t, salt, saltOf(t, seal(t, s)))
			sleep(t, "4s")
		}
		require.Equal(t, 1, w.calls())
	})
}

func TestRenew(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	s, audit := pan(t, m), scopeOf(t, m, keys.Audit, "shop")
	a, b := seal(t, s), seal(t, audit)
	require.NotEqual(t, saltOf(t, a), saltOf(t, b))
	m.Renew()
	a2, b2 := seal(t, s), seal(t, audit)
	require.NotEqual(t, saltOf(t, a), saltOf(t, a2))
	require.NotEqual(t, saltOf(t, b), saltOf(t, b2))
	require.Equal(t, keyOf(t, a), keyOf(t, a2))
	require.Equal(t, 2, w.calls())
	opens(t, s, a)
	opens(t, s, a2)
	require.NotEqual(t, saltOf(t, a2), saltOf(t, seal(t, pan(t, w.manager(t, nil)))), "another process")
}

// A new salt costs no reading of the store while the lease lasts, but does after it and
// after the key's life: a snapshot may be restored long after it was taken.
func TestRenewWithoutStore(t *testing.T) {
	w := newWorld()
	h := w.hooked()
	m := w.manager(t, nil)
	s := pan(t, m)
	last := seal(t, s)
	id := keyOf(t, last)
	h.fail(keys.ErrUnavailable)
	renewed := func() {
		t.Helper()
		next := seal(t, s)
		require.NotEqual(t, saltOf(t, last), saltOf(t, next))
		require.Equal(t, id, keyOf(t, next))
		last = next
	}
	m.Renew()
	renewed()
	keys.UsedUp(m, keys.PAN)()
	renewed()
	for _, old := range []func(){
		func() { keys.AgeLease(m, keys.PAN, 5*time.Minute, 0) },
		func() { keys.AgeLease(m, keys.PAN, 0, 5*time.Minute) },
		func() { keys.AgeKey(m, keys.PAN, id, time.Hour, 0) },
	} {
		old()
		m.Renew()
		_, err := s.Seal(t.Context(), nil, nil, additional())
		require.ErrorIs(t, err, keys.ErrUnavailable)
		h.hooks(nil, nil)
		renewed()
		h.fail(keys.ErrUnavailable)
	}
}

// GCM's limit holds for each salt, however many goroutines seal, and a salt that
// is used up is replaced once.
func TestRenewalByCount(t *testing.T) {
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			m := w.manager(t, nil)
			s := pan(t, m)
			first := saltOf(t, seal(t, s))
			const left = 3 * keys.CountBlock
			keys.LeaveCounts(m, keys.PAN, left)
			var mu sync.Mutex
			counts := map[envelope.Salt]int{}
			var wg sync.WaitGroup
			for i := range 64 {
				s := s
				if i%2 == 0 {
					s = scopeOf(t, m, keys.PAN, "shop2")
				}
				wg.Go(func() {
					own := map[envelope.Salt]int{}
					for range 200 {
						record, err := s.Seal(t.Context(), nil, nil, additional())
						if !assert.NoError(t, err) {
							return
						}
						own[saltOf(t, record)]++
					}
					mu.Lock()
					defer mu.Unlock()
					for salt, n := range own {
						counts[salt] += n
					}
				})
			}
			wg.Wait()
			// One block was leased before the count was set.
			require.LessOrEqual(t, counts[first], left+keys.CountBlock)
			require.Positive(t, counts[first])
			require.Len(t, counts, 2, "salts drawn")
			require.Equal(t, 1, w.calls())
		})
	}
}

// The news that a salt is used up may come late. It must not end the next one.
func TestUsedUpOnce(t *testing.T) {
	w := newWorld()
	h := w.hooked()
	m := w.manager(t, nil)
	s := pan(t, m)
	first := saltOf(t, seal(t, s))
	late := keys.UsedUp(m, keys.PAN)
	m.Renew()
	second := saltOf(t, seal(t, s))
	require.NotEqual(t, first, second)
	lists := h.count("list")
	late()
	require.Equal(t, second, saltOf(t, seal(t, s)))
	require.Equal(t, lists, h.count("list"), "nor its lease")
	s.Refresh()
	late()
	require.Equal(t, second, saltOf(t, seal(t, s)))
	keys.UsedUp(m, keys.PAN)()
	require.NotEqual(t, second, saltOf(t, seal(t, s)))
}

// Counts leased under one salt are worth nothing under the next.
func TestLeasedCountsEndWithTheSalt(t *testing.T) {
	m := newWorld().manager(t, nil)
	s := pan(t, m)
	var kept, fresh keys.Work
	sealWith := func(w *keys.Work) envelope.Salt {
		record, err := s.SealWith(t.Context(), w, nil)
		require.NoError(t, err)
		return saltOf(t, record)
	}
	first := sealWith(&kept)
	m.Renew()
	second := sealWith(&fresh)
	require.NotEqual(t, first, second)
	keys.LeaveCounts(m, keys.PAN, 0)
	require.NotEqual(t, second, sealWith(&kept))
}

// A block is given out whole or not at all.
func TestCountIsNotExceeded(t *testing.T) {
	m := newWorld().manager(t, nil)
	s := pan(t, m)
	_, err := s.ActiveKey(t.Context()) // draws the salt, leases nothing
	require.NoError(t, err)
	keys.LeaveCounts(m, keys.PAN, 2*keys.CountBlock+keys.CountBlock/2)
	first, n := saltOf(t, seal(t, s)), 1
	for saltOf(t, seal(t, s)) == first {
		n++
	}
	// Less where the race detector's pool drops blocks.
	require.LessOrEqual(t, n, 2*keys.CountBlock)
	require.Positive(t, n)
}
