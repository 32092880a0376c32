package keys_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// No salt seals more records than it may, though sixty-four goroutines seal while salts
// are renewed and used up, keys rotated and evicted, and the manager closed.
func TestLimitInTurmoil(t *testing.T) {
	w := newWorld()
	m, other := w.manager(t, nil), w.manager(t, nil)
	s, shop := pan(t, m), scopeOf(t, m, keys.PAN, "shop2")
	first := saltOf(t, seal(t, s))
	counts, most := map[envelope.Salt]int64{first: 1}, map[envelope.Salt]int64{}
	salt, n, ok := keys.NearLimit(m, keys.PAN, keys.CountBlock)
	require.True(t, ok)
	most[salt] = n
	var mu sync.Mutex
	var half, callers, upheaval sync.WaitGroup
	half.Add(64)
	for i := range 64 {
		s := []*keys.Scope{s, shop}[i%2]
		callers.Go(func() {
			own := map[envelope.Salt]int64{}
			for i := 0; ; i++ {
				if i == million/256 {
					half.Done()
				}
				record, err := s.Seal(t.Context(), nil, nil, additional())
				if errors.Is(err, keys.ErrClosed) {
					break
				}
				if err != nil {
					assert.ErrorIs(t, err, keys.ErrUnavailable)
					continue
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
	stop := make(chan struct{})
	begin := func(pause time.Duration, f func()) {
		upheaval.Go(func() {
			for tick := time.Tick(pause); ; f() {
				select {
				case <-stop:
					return
				case <-tick:
				}
			}
		})
	}
	// A salt is used up by whoever takes the second block: what it sealed before then is
	// more than a block, were it not stopped.
	begin(50*time.Microsecond, func() {
		if salt, n, ok := keys.NearLimit(m, keys.PAN, keys.CountBlock); ok {
			most[salt] = n
		}
	})
	begin(7*time.Millisecond, m.Renew)
	begin(11*time.Millisecond, func() { keys.EvictAll(m) })
	begin(13*time.Millisecond, func() {
		if _, err := other.Rotate(t.Context(), keys.PAN); assert.NoError(t, err) {
			s.Refresh()
		}
	})
	half.Wait()
	_, err := m.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	m.Renew()
	keys.EvictAll(m)
	require.NoError(t, m.Close())
	callers.Wait()
	close(stop)
	upheaval.Wait()

	for salt, n := range most {
		require.LessOrEqual(t, counts[salt], n)
	}
	t.Logf("%d salts sealed, %d of them near their end", len(counts), len(most))
}
