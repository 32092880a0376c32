package keys_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// A process learns of another's rotation within its seal lease, and reads the
// store about once a lease and not more.
func TestLeaseBoundsSealingUnderOldKey(t *testing.T) {
	for _, lease := range []time.Duration{time.Second, 5 * time.Minute, time.Hour} {
		t.Run(lease.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				h := w.hooked()
				o := patient()
				o.SealLease = lease
				s := pan(t, w.manager(t, o))
				other := w.manager(t, patient())
				time.Sleep(lease / 77) // so that no tick falls on the lease's end
				old := keyOf(t, seal(t, s))
				for i := range 3 {
					time.Sleep(time.Duration(i) * lease / 3) // anywhere within the lease
					seal(t, s)
					next, err := other.Rotate(t.Context(), keys.PAN)
					require.NoError(t, err)
					rotated, lists := time.Now(), h.count("list")
					for keyOf(t, seal(t, s)) == old {
						require.Less(t, time.Since(rotated), lease, "seals under the old key")
						time.Sleep(lease / 100)
					}
					require.Equal(t, next, keyOf(t, seal(t, s)))
					require.LessOrEqual(t, h.count("list")-lists, 1)
					old = next
				}
			})
		})
	}
}

func TestStoreAwayAfterLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		h := w.hooked()
		m := w.manager(t, nil)
		s := pan(t, m)
		record := seal(t, s)
		h.fail(keys.ErrUnavailable)
		sleep(t, "4m")
		seal(t, s) // within the lease
		sleep(t, "1m")
		for range 3 {
			got, err := s.Seal(t.Context(), nil, []byte(message), additional())
			require.Nil(t, got)
			require.ErrorIs(t, err, keys.ErrUnavailable)
			opens(t, s, record)
			sleep(t, "1m")
		}
		h.hooks(nil, nil)
		again := seal(t, s)
		require.Equal(t, keyOf(t, record), keyOf(t, again))
		require.Equal(t, saltOf(t, record), saltOf(t, again), "a lease read anew keeps the salt")
		require.Equal(t, 1, w.calls())
	})
}

// The lease runs from the moment the store was asked. A KMS that takes longer to
// answer than the lease lasts must not lengthen it.
func TestLeaseRunsWhileTheKMSAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		old := keyOf(t, seal(t, pan(t, w.manager(t, nil))))
		other := w.manager(t, patient())
		s := pan(t, w.manager(t, &keys.Options{SealLease: time.Second}))
		var next keys.KeyID
		w.kek.Before(func(_ context.Context, op string, _ int) error {
			if op == "unwrap" {
				time.Sleep(3 * time.Second)
			}
			return nil
		})
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(time.Second)
			var err error
			next, err = other.Rotate(t.Context(), keys.PAN)
			assert.NoError(t, err)
		})
		got := keyOf(t, seal(t, s))
		wg.Wait()
		require.NotEqual(t, old, got, "sealed under a key last read three leases ago")
		require.Equal(t, next, got)
	})
}

// A KMS that always takes longer than the lease cannot keep a process from
// sealing for ever: once the key is in memory only the store counts. A store
// that is as slow is the store's failure, with a kind.
func TestStoreSlowerThanLease(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		h := w.hooked()
		s := pan(t, w.manager(t, &keys.Options{SealLease: time.Second, Timeout: 5 * time.Minute}))
		h.hooks(nil, func(_ context.Context, op string, _ int) error {
			if op == "list" {
				time.Sleep(2 * time.Second)
			}
			return nil
		})
		_, err := s.Seal(t.Context(), nil, nil, additional())
		require.ErrorIs(t, err, keys.ErrUnavailable)
		h.hooks(nil, nil)
		seal(t, s)
	})
}

// Refresh and Rotate end a lease that is just being read, too: what the store
// said before they were called no longer counts.
func TestRefreshDuringRead(t *testing.T) {
	for _, how := range []string{"refresh", "rotate"} {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				w := newWorld()
				other := w.manager(t, patient())
				old := keyOf(t, seal(t, pan(t, other)))
				h := w.hooked()
				gate, first := make(chan struct{}), true
				h.hooks(nil, func(_ context.Context, op string, _ int) error {
					if first && op == "list" { // the store has answered, the network delays it
						first = false
						<-gate
					}
					return nil
				})
				m := w.manager(t, patient())
				s := pan(t, m)
				var wg sync.WaitGroup
				wg.Go(func() {
					_, err := s.Seal(t.Context(), nil, nil, additional())
					assert.NoError(t, err)
				})
				synctest.Wait()
				var next keys.KeyID
				var err error
				if how == "rotate" {
					next, err = m.Rotate(t.Context(), keys.PAN)
				} else {
					next, err = other.Rotate(t.Context(), keys.PAN)
					s.Refresh()
				}
				require.NoError(t, err)
				require.NotEqual(t, old, next)
				wg.Go(func() { // joins the read under way
					record, err := s.Seal(t.Context(), nil, nil, additional())
					assert.NoError(t, err)
					assert.Equal(t, next, keyOf(t, record))
				})
				synctest.Wait()
				close(gate)
				wg.Wait()
				require.Equal(t, next, keyOf(t, seal(t, s)))
			})
		})
	}
}

// A read that is over, but whose callers were not told yet, does not answer a call made
// after Refresh.
func TestRefreshRightBehindARead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		m, other := w.manager(t, patient()), w.manager(t, patient())
		s := pan(t, m)
		gate := make(chan struct{})
		keys.ActiveUntold(s, gate)
		synctest.Wait()
		next, err := other.Rotate(t.Context(), keys.PAN)
		require.NoError(t, err)
		s.Refresh()
		var wg sync.WaitGroup
		wg.Go(func() {
			active, err := s.ActiveKey(t.Context())
			assert.NoError(t, err)
			assert.Equal(t, next, active)
		})
		synctest.Wait()
		close(gate)
		wg.Wait()
		require.Equal(t, next, keyOf(t, seal(t, s)))
	})
}

func TestRefreshReadsTheStore(t *testing.T) {
	w := newWorld()
	m, other := w.manager(t, nil), w.manager(t, nil)
	s := pan(t, m)
	record := seal(t, s)
	next, err := other.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	require.Equal(t, keyOf(t, record), keyOf(t, seal(t, s)))
	s.Refresh()
	require.Equal(t, next, keyOf(t, seal(t, s)))
	active, err := s.ActiveKey(t.Context())
	require.NoError(t, err)
	require.Equal(t, next, active)
	opens(t, s, record)
}

// Each of the three clocks ends by the wall clock or the monotonic clock,
// whichever is first, and by none of the two too early.
func TestWallAndMonotonicClock(t *testing.T) {
	const long, back = 2 * time.Hour, -2 * time.Hour
	clocks := map[string]struct {
		wall, monotonic time.Duration
		ends            bool
	}{
		"neither":                {0, 0, false},
		"both":                   {long, long, true},
		"suspended":              {long, 0, true}, // the monotonic clock stood still
		"set back":               {0, long, true},
		"set far back":           {back, long, true},
		"set back, nothing else": {back, 0, false},
	}
	o := &keys.Options{SealLease: time.Hour, CacheLife: time.Hour, RenewAge: time.Hour}
	for name, c := range clocks {
		t.Run("lease/"+name, func(t *testing.T) {
			w := newWorld()
			h := w.hooked()
			m := w.manager(t, o)
			s := pan(t, m)
			seal(t, s)
			keys.AgeLease(m, keys.PAN, c.wall, c.monotonic)
			keys.Expire(m)
			h.fail(keys.ErrUnavailable)
			_, err := s.Seal(t.Context(), nil, nil, additional())
			require.Equal(t, c.ends, errors.Is(err, keys.ErrUnavailable), "%v", err)
		})
		t.Run("cache life/"+name, func(t *testing.T) {
			m := newWorld().manager(t, o)
			id := keyOf(t, seal(t, pan(t, m)))
			keys.AgeKey(m, keys.PAN, id, c.wall, c.monotonic)
			keys.Expire(m)
			require.Equal(t, c.ends, !keys.HeldKey(m, keys.PAN, id))
		})
		t.Run("salt/"+name, func(t *testing.T) {
			m := newWorld().manager(t, o)
			s := pan(t, m)
			salt := saltOf(t, seal(t, s))
			keys.AgeSalt(m, keys.PAN, c.wall, c.monotonic)
			keys.Expire(m)
			require.Equal(t, c.ends, salt != saltOf(t, seal(t, s)))
		})
	}
}
