package keys_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// Sixty-four goroutines seal and open in both layouts while keys are refreshed,
// renewed, rotated, evicted, aged past their life, disabled and enabled, and in the
// end the manager is closed under their hands. Every call gives the right answer or
// a kind that fits, none seals or opens after Close, and every record opens elsewhere.
func TestTurmoil(t *testing.T) {
	rounds := 150
	if testing.Short() {
		rounds = 40
	}
	w := newWorld()
	o := clocks()
	o.CacheRings, o.CacheKeys = 16, 4
	m := w.manager(t, o)
	other := w.manager(t, nil)
	spare := keyOf(t, seal(t, pan(t, other))) // comes and goes
	_, err := other.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	fits := func(err error) bool {
		return errors.Is(err, keys.ErrUnavailable) || errors.Is(err, keys.ErrClosed)
	}
	changed := func(err error) bool { // or the others were quicker, as often as it was tried
		return err == nil || fits(err) || errors.Is(err, keys.ErrConflict)
	}
	type kept struct {
		scope  string
		record []byte
	}
	var mu sync.Mutex
	var all []kept
	var callers, upheaval sync.WaitGroup
	var answered, refused atomic.Int64
	for i := range 64 {
		callers.Go(func() {
			scope := fmt.Sprint("scope ", i%24)
			s := pan(t, m)
			if i%2 == 0 {
				scope = "per " + scope
				s = perScope(t, m, scope)
			}
			var last []byte
			for n := range rounds {
				record, err := s.Seal(t.Context(), nil, []byte(message), additional())
				if err != nil {
					assert.True(t, fits(err), "seal: %v", err)
					refused.Add(1)
					continue
				}
				if n%10 == 0 {
					mu.Lock()
					all = append(all, kept{scope, record})
					mu.Unlock()
					last = record
				}
				for _, r := range [][]byte{record, last} {
					if r == nil {
						continue // nothing was kept yet: the first seal was refused
					}
					got, err := s.Open(t.Context(), nil, r, additional())
					if err != nil {
						assert.True(t, fits(err), "open: %v", err)
						refused.Add(1)
						continue
					}
					assert.Equal(t, message, string(got))
					answered.Add(1)
				}
			}
		})
	}
	stop := make(chan struct{})
	begin := func(f func(n int)) {
		upheaval.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
					f(n)
				}
			}
		})
	}
	begin(func(int) { m.Renew() })
	begin(func(int) { keys.AgeAll(m, 21*time.Minute); keys.Expire(m) })
	begin(func(int) { keys.EvictAll(m); time.Sleep(time.Millisecond) })
	begin(func(n int) {
		if n < 40 {
			_, err := other.Rotate(t.Context(), keys.PAN)
			assert.True(t, changed(err), "rotate: %v", err)
			_, err = m.Rewrap(t.Context(), keys.PAN, nil)
			assert.True(t, changed(err), "rewrap: %v", err)
		}
		time.Sleep(time.Millisecond)
	})
	begin(func(int) {
		for _, do := range []error{m.Disable(t.Context(), spare), m.Enable(t.Context(), spare)} {
			assert.True(t, changed(do), "%v", do)
		}
		time.Sleep(time.Millisecond)
	})
	callers.Wait()
	require.NotEmpty(t, all, "no seal went well")
	scopeOf := func(m *keys.Manager, k kept) *keys.Scope {
		if k.scope[:3] == "per" {
			return perScope(t, m, k.scope)
		}
		return pan(t, m)
	}
	var closed atomic.Bool
	var late sync.WaitGroup
	for i := range 64 { // once more until it is closed, and not a call longer
		k := all[i%len(all)]
		s := scopeOf(m, k)
		late.Go(func() {
			for over := false; !over; {
				over = closed.Load()
				_, sealed := s.Seal(t.Context(), nil, nil, additional())
				_, opened := s.Open(t.Context(), nil, k.record, additional())
				for _, err := range []error{sealed, opened} {
					if over {
						assert.ErrorIs(t, err, keys.ErrClosed)
					} else {
						assert.True(t, err == nil || fits(err), "%v", err)
					}
				}
			}
		})
	}
	require.NoError(t, m.Close())
	closed.Store(true)
	late.Wait()
	close(stop)
	upheaval.Wait()

	require.Positive(t, answered.Load())
	t.Logf("%d openings went well, %d calls have to be made again", answered.Load(), refused.Load())
	require.Less(t, refused.Load(), answered.Load()/10)
	fresh := w.manager(t, nil)
	for _, k := range all {
		opens(t, scopeOf(fresh, k), k.record)
	}
}
