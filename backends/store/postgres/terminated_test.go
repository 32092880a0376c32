package postgres_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/tokenize/store"
)

// administrator ends connections to a database while others use it.
type administrator struct {
	calls atomic.Int64 // that were begun
	ended atomic.Int64 // connections
}

// end ends about a third of the connections again and again until all have stopped. A
// few calls are begun between two times: a slow machine would come to nothing but making
// connections.
func (a *administrator) end(t *testing.T, address string, stopped chan struct{}) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	pool := pgtest.Pool(t, pgtest.Server(t))
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for next := int64(1); ; {
		select {
		case <-stopped:
			return
		case <-look.C:
		}
		if a.calls.Load() < next {
			continue
		}
		var n int64
		err := pool.QueryRow(t.Context(), "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = $1 AND random() < 0.3",
			strings.TrimPrefix(u.Path, "/")).Scan(&n)
		require.NoError(t, err)
		a.ended.Add(n)
		next = a.calls.Load() + 1 + rand.Int64N(12)
	}
}

// Connections are ended by an administrator under load. Every caller who asks
// again as the errors tell gets its card saved once.
func TestTerminated(t *testing.T) {
	address := migrated.New(t)
	db := open(t, address)
	const writers, each = 6, 120
	var wg sync.WaitGroup
	var saved atomic.Int64
	var admin administrator
	for g := range writers {
		wg.Go(func() {
			for i := 0; i < each || admin.ended.Load() == 0; i++ {
				w := plain(fmt.Sprintf("g%d-%d", g, i))
				w.Once = &store.Once{Key: [32]byte{byte(g), byte(i), byte(i >> 8)}, Now: 1, Until: 1000}
				for {
					admin.calls.Add(1)
					out, err := db.Cards().Write(t.Context(), []store.Write{w}, nil)
					if err == nil {
						if r := out[0].Result; r != store.Written && (r != store.Replayed || out[0].Token != w.Row.Token) {
							t.Errorf("outcome %v", out[0])
						}
						saved.Add(1)
						break
					}
					if !errors.Is(err, store.ErrOutcomeUnknown) && !errors.Is(err, store.ErrUnavailable) {
						t.Errorf("Write: %v", err)
						return
					}
				}
			}
		})
	}
	stopped := make(chan struct{})
	go func() { wg.Wait(); close(stopped) }()
	admin.end(t, address, stopped)
	require.False(t, t.Failed())
	t.Logf("%d connections were ended in %d calls", admin.ended.Load(), admin.calls.Load())
	require.GreaterOrEqual(t, saved.Load(), int64(writers*each))
	n := 0
	for r, err := range db.Cards().Scan(t.Context(), scope, "") {
		require.NoError(t, err)
		require.EqualValues(t, 1, r.Version)
		n++
	}
	require.EqualValues(t, saved.Load(), n)
}

// Connections are ended by an administrator under load. No attempt that was let
// through goes uncounted, whatever its caller was told.
func TestCodesTerminated(t *testing.T) {
	address := forgetful.New(t)
	e := openEphemeral(t, address)
	code := putCode(t, e)
	l := store.TryLimits{Tries: 1 << 30, Guesses: 1 << 30}
	var taken, unknown, unsettled, right atomic.Int64
	var wg sync.WaitGroup
	var admin administrator
	for g := range 6 {
		wg.Go(func() {
			for i := 0; i < 180 || admin.ended.Load() == 0; i++ {
				admin.calls.Add(1)
				a, err := e.Attempt(t.Context(), code.ID, 1, l, 0)
				switch {
				case errors.Is(err, store.ErrOutcomeUnknown):
					unknown.Add(1)
					continue
				case errors.Is(err, store.ErrUnavailable):
					continue
				case err != nil:
					t.Errorf("Attempt: %v", err)
					return
				}
				taken.Add(1)
				if (g+i)%2 == 0 {
					continue
				}
				switch err := e.Settle(t.Context(), code.ID, a, true, l); {
				case err == nil:
					right.Add(1)
				case errors.Is(err, store.ErrOutcomeUnknown):
					unsettled.Add(1)
				case !errors.Is(err, store.ErrUnavailable):
					t.Errorf("Settle: %v", err)
				}
			}
		})
	}
	stopped := make(chan struct{})
	go func() { wg.Wait(); close(stopped) }()
	admin.end(t, address, stopped)
	require.False(t, t.Failed())
	t.Logf("%d connections were ended in %d calls", admin.ended.Load(), admin.calls.Load())
	got, err := e.Code(t.Context(), code.ID, 0)
	require.NoError(t, err)
	total := int64(got.Counters[0].Taken)
	require.GreaterOrEqual(t, total, taken.Load())
	require.LessOrEqual(t, total, taken.Load()+unknown.Load())
	require.LessOrEqual(t, int64(got.Guesses), total-right.Load())
	require.GreaterOrEqual(t, int64(got.Guesses), total-right.Load()-unsettled.Load())
}
