package keys_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

func perScope(t testing.TB, m *keys.Manager, scope string) *keys.Scope {
	t.Helper()
	s, err := m.ScopeIn(keys.PerScope, keys.PAN, scope)
	require.NoError(t, err)
	return s
}

// Each scope has a ring, keys and a binding of its own, apart from the others and
// from the Shared layout.
func TestPerScope(t *testing.T) {
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			var bindings []keys.Binding
			m := w.managerWith(t, &bound{w.kek, func(b keys.Binding) { bindings = append(bindings, b) }}, nil)
			a, b, shared := perScope(t, m, "a"), perScope(t, m, "b"), scopeOf(t, m, keys.PAN, "a")
			ra, rb, rs := seal(t, a), seal(t, b), seal(t, shared)
			require.Equal(t, []string{"a", "b", ""}, []string{bindings[0].Scope, bindings[1].Scope, bindings[2].Scope})
			require.NotEqual(t, keyOf(t, ra), keyOf(t, rb))
			fresh := w.manager(t, nil)
			for range 4 {
				for _, m := range []*keys.Manager{m, fresh} {
					opens(t, perScope(t, m, "a"), ra)
					opens(t, perScope(t, m, "b"), rb)
					refuses(t, perScope(t, m, "b"), ra, additional())
					refuses(t, perScope(t, m, "a"), rs, additional())
					refuses(t, scopeOf(t, m, keys.PAN, "a"), ra, additional())
				}
			}
			require.Equal(t, "a", a.Ring().Scope)
			require.Empty(t, shared.Ring().Scope)
			if mode == "inline" {
				return
			}
			next, err := a.Rotate(t.Context())
			require.NoError(t, err)
			require.Equal(t, next, keyOf(t, seal(t, a)))
			require.Equal(t, keyOf(t, rb), keyOf(t, seal(t, b)))
			list, err := a.Records(t.Context())
			require.NoError(t, err)
			require.Len(t, list, 2)
			opens(t, a, ra)
		})
	}
}

// bound tells a test the bindings of what is wrapped.
type bound struct {
	keys.KEK
	tell func(keys.Binding)
}

func (k *bound) Wrap(ctx context.Context, dst, raw []byte, b keys.Binding) ([]byte, error) {
	k.tell(b)
	return k.KEK.Wrap(ctx, dst, raw, b)
}

func TestLayoutArguments(t *testing.T) {
	m := newWorld().manager(t, nil)
	for _, l := range []keys.Layout{0, 3} {
		_, err := m.ScopeIn(l, keys.PAN, "a")
		wrongField(t, err, "layout")
		require.Equal(t, "invalid", l.String())
	}
	require.NotEqual(t, keys.Shared.String(), keys.PerScope.String())
	_, err := m.ScopeIn(keys.PerScope, keys.PAN, "")
	wrongField(t, err, "scope")
	for _, p := range []keys.Purpose{keys.PAN, keys.Index} {
		s, err := m.ScopeIn(keys.PerScope, p, "a")
		require.NoError(t, err)
		_, one := s.Rotate(t.Context())
		_, other := s.RotateIndex(t.Context())
		require.Equal(t, p == keys.Index, errors.Is(one, keys.ErrNotRotatable))
		require.Equal(t, p != keys.Index, errors.Is(other, keys.ErrNotRotatable))
	}
}

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

// A million scopes touched once each leave no more behind than the bound allows.
func TestManyScopesOnce(t *testing.T) {
	n := million / 10
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

func TestKEKFor(t *testing.T) {
	w := newWorld()
	own := keystest.NewKEK("own")
	asked, fail := map[string]int{}, errors.New("directory is away")
	m := w.manager(t, &keys.Options{KEKFor: func(_ context.Context, scope string) ([]keys.KEK, error) {
		asked[scope]++
		switch scope {
		case "own":
			return []keys.KEK{own}, nil
		case "away":
			return nil, fail
		case "bad":
			return []keys.KEK{own, own}, nil
		}
		return nil, nil
	}})
	s := perScope(t, m, "own")
	record := seal(t, s)
	require.Equal(t, []string{"own"}, wrappedBy(t, w, keyOf(t, record)))
	_, err := s.Rotate(t.Context())
	require.NoError(t, err)
	require.Equal(t, 1, asked["own"])
	require.Zero(t, w.kek.Wraps())

	require.Equal(t, []string{"kek-1"}, wrappedBy(t, w, keyOf(t, seal(t, perScope(t, m, "other")))))
	_, err = perScope(t, m, "away").Seal(t.Context(), nil, nil, additional())
	require.ErrorIs(t, err, fail)
	_, err = perScope(t, m, "bad").Seal(t.Context(), nil, nil, additional())
	require.ErrorAs(t, err, new(*keys.OptionError))
	seal(t, pan(t, m))
	require.NotContains(t, asked, "", "the Shared layout has no scope to ask for")
	require.NotContains(t, asked, "shop")
}

// A code's ring of one scope is forgotten like all others: no ring of four keys
// opens what the ring's keys no longer do.
func TestFewSealingKeys(t *testing.T) {
	w := newWorld()
	writer := w.manager(t, nil)
	var all [][]byte
	for range 10 {
		all = append(all, seal(t, perScope(t, writer, "a")))
		writer.Renew()
	}
	m := w.manager(t, nil)
	s, twin := perScope(t, m, "a"), perScope(t, m, "a")
	for range 3 {
		for _, r := range all {
			opens(t, s, r)
			opens(t, twin, r)
			r[len(r)-1] ^= 1
			refuses(t, s, r, additional())
			r[len(r)-1] ^= 1
		}
	}
	require.Equal(t, 1, w.kek.Unwraps())
	require.NoError(t, m.Disable(t.Context(), keyOf(t, all[0])))
	for _, r := range all {
		refuses(t, s, r, additional(), keys.ErrDisabled)
	}
}

// Rotation by age is done by whoever seals first after it, once, and by nobody for
// rings that more hangs on than sealing.
func TestRotateAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		o := &keys.Options{RotateAge: 24 * time.Hour}
		a, b := pan(t, w.manager(t, o)), pan(t, w.manager(t, o))
		index := scopeOf(t, w.manager(t, o), keys.Index, "shop")
		pinned, err := index.ActiveKey(t.Context())
		require.NoError(t, err)
		first := seal(t, a)
		sleep(t, "23h50m")
		require.Equal(t, keyOf(t, first), keyOf(t, seal(t, b)))
		sleep(t, "16m")
		list, _ := records(t, w.store, keys.PAN)
		require.Len(t, list, 1, "nobody sealed yet")

		w.kek.SetError(keys.ErrUnavailable)
		require.Equal(t, keyOf(t, first), keyOf(t, seal(t, b)), "the old one goes on while the KMS is away")
		w.kek.SetError(nil)
		sleep(t, "6m")
		var wg sync.WaitGroup
		for _, s := range []*keys.Scope{a, b, a, b} {
			wg.Go(func() {
				_, err := s.Seal(t.Context(), nil, nil, additional())
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		list, active := records(t, w.store, keys.PAN)
		require.Equal(t, 1, active)
		require.Len(t, list, 2)
		require.NotEqual(t, keyOf(t, first), keyOf(t, seal(t, a)))
		require.Equal(t, keyOf(t, seal(t, a)), keyOf(t, seal(t, b)))
		opens(t, a, first)
		id, err := index.ActiveKey(t.Context())
		require.NoError(t, err)
		require.Equal(t, pinned, id)
	})
}

func TestRotateAgeInline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := inlineWorld()
		o := clocks()
		o.RotateAge = 2 * time.Hour
		s := pan(t, w.manager(t, o))
		first := seal(t, s)
		last := first
		for range 150 {
			sleep(t, "1m")
			last = seal(t, s)
		}
		require.NotEqual(t, keyOf(t, first), keyOf(t, last))
		require.Equal(t, 2, w.kek.Wraps())
		opens(t, s, first)
	})
}
