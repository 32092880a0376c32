package keys_test

import (
	"context"
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// Rings beyond the bound are emptied, the one used longest ago first, and come back
// with one call each when their scope is used again, by the same handle or another.
func TestIdleRingsAreEmptied(t *testing.T) {
	const room, n = 16, 40
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			m := w.manager(t, &keys.Options{CacheRings: room, InlineUnwraps: 60000})
			scopes, records, peeks := make([]*keys.Scope, n), make([][]byte, n), make([]func() ([]byte, int), n)
			for i := range n {
				scopes[i] = perScope(t, m, fmt.Sprint(i))
				records[i] = seal(t, scopes[i])
				peeks[i] = keys.PeekScope(scopes[i], keyOf(t, records[i]))
				opens(t, scopes[0], records[0]) // comes back when it was emptied
				require.LessOrEqual(t, keys.Rings(m), room)
			}
			for i := range n {
				raw, _ := peeks[i]()
				require.Equal(t, i > n-room, len(raw) > 0, "ring %d", i)
			}
			calls := w.kek.Unwraps()
			for range 2 {
				opens(t, scopes[1], records[1])
				opens(t, perScope(t, m, "1"), records[1])
			}
			require.Equal(t, 1, w.kek.Unwraps()-calls)
			require.LessOrEqual(t, keys.Rings(m), room)
			require.NoError(t, m.Close())
			for i := range n {
				refuses(t, scopes[i], records[i], additional(), keys.ErrClosed)
				_, err := scopes[i].Seal(t.Context(), nil, nil, additional())
				require.ErrorIs(t, err, keys.ErrClosed)
				require.Zero(t, keys.HeldByScope(scopes[i]))
			}
		})
	}
}

// What is looked up stays, however long ago it was first used.
func TestRingInUseStays(t *testing.T) {
	w := newWorld()
	m := w.manager(t, &keys.Options{CacheRings: 16})
	s := perScope(t, m, "in use")
	record := seal(t, s)
	peek := keys.PeekScope(s, keyOf(t, record))
	for i := range 40 {
		seal(t, perScope(t, m, fmt.Sprint(i)))
		s.Refresh()
		seal(t, s) // reads the ring
	}
	raw, _ := peek()
	require.Len(t, raw, keys.DataKeySize)
	require.Zero(t, w.kek.Unwraps())
}

// A scope whose handle outlived its ring's place has two rings for a while. Both
// follow a change of state.
func TestTwoRingsOfOneScope(t *testing.T) {
	w := newWorld()
	m := w.manager(t, &keys.Options{CacheRings: 16})
	old := perScope(t, m, "a")
	record := seal(t, old)
	for i := range 20 {
		seal(t, perScope(t, m, fmt.Sprint(i)))
	}
	young := perScope(t, m, "a")
	opens(t, young, record)
	opens(t, old, record)
	require.NoError(t, m.Disable(t.Context(), keyOf(t, record)))
	refuses(t, young, record, additional(), keys.ErrDisabled)
	refuses(t, old, record, additional(), keys.ErrDisabled)
}

// blank is a key store without memory: every ring is empty, every put goes well.
type blank struct{}

func (blank) Get(context.Context, keys.KeyID) (keys.Record, error) {
	return keys.Record{}, keys.ErrNotFound
}
func (blank) List(context.Context, keys.RingID) ([]keys.Record, uint64, error) { return nil, 0, nil }
func (blank) CompareAndSwap(context.Context, keys.RingID, uint64, []keys.Record) error {
	return nil
}

var scopesOnce = flag.Int("scopes", million/10, "how many scopes are touched once each; the long form has 1,000,000")

// Many scopes touched once each leave no more behind than the bound allows.
func TestManyScopesOnce(t *testing.T) {
	n := *scopesOnce
	if testing.Short() {
		n = 20_000
	}
	m, err := keys.Open(t.Context(), blank{}, keystest.NewKEK("kek"), &keys.Options{CacheRings: 1000})
	require.NoError(t, err)
	defer m.Close()
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var s runtime.MemStats
		runtime.ReadMemStats(&s)
		return int64(s.HeapAlloc)
	}
	touch := func(from, to int) {
		for i := from; i < to; i++ {
			s, err := m.ScopeIn(keys.PerScope, keys.PAN, fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.Seal(t.Context(), nil, []byte(message), additional()); err != nil {
				t.Fatal(err)
			}
		}
	}
	empty := heap()
	touch(0, 2000)
	full := heap()
	touch(2000, n)
	after := heap()
	t.Logf("a ring takes %d bytes; %d scopes left %d KiB more than 2,000 did", (full-empty)/1000, n, (after-full)>>10)
	require.Less(t, (full-empty)/1000, int64(6<<10))
	require.Less(t, after, full+1<<20)
	require.Equal(t, 1000, keys.Rings(m))
}

// Scopes evict each other's rings while others seal and open: nothing fails but
// with a kind worth another try, and nothing is lost.
func TestScopesPushEachOtherOut(t *testing.T) {
	w := newWorld()
	m := w.manager(t, &keys.Options{CacheRings: 16})
	const n = 32
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			s := perScope(t, m, fmt.Sprint(i))
			for range 50 {
				record, err := s.Seal(t.Context(), nil, []byte(message), additional())
				if err != nil {
					assert.ErrorIs(t, err, keys.ErrUnavailable)
					continue
				}
				got, err := s.Open(t.Context(), nil, record, additional())
				if err != nil {
					assert.ErrorIs(t, err, keys.ErrUnavailable)
					continue
				}
				assert.Equal(t, message, string(got))
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, keys.Rings(m), 16)
	for i := range n {
		s := perScope(t, m, fmt.Sprint(i))
		opens(t, s, seal(t, s))
		list, err := s.Records(t.Context())
		require.NoError(t, err)
		require.Len(t, list, 1, "a ring that was emptied makes no second key")
	}
}
