package keys_test

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

func TestRotate(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	s := pan(t, m)
	var all [][]byte
	for i := range 5 {
		record := seal(t, s)
		all = append(all, record)
		next, err := m.Rotate(t.Context(), keys.PAN)
		require.NoError(t, err)
		require.NotEqual(t, keyOf(t, record), next)
		require.Equal(t, next, keyOf(t, seal(t, s)))
		list, active := records(t, w.store, keys.PAN)
		require.Equal(t, 1, active)
		require.Len(t, list, i+2)
		for _, r := range list {
			require.Equal(t, r.ID == next, r.State == keys.Active)
			require.Equal(t, r.ID != next, r.State == keys.Retired)
			require.Equal(t, "kek-1", r.Wrapped[0].KEK)
			require.Len(t, r.Wrapped, 1)
			require.Zero(t, r.Created.Nanosecond())
		}
		own, err := m.Records(t.Context(), keys.PAN)
		require.NoError(t, err)
		require.Equal(t, list, own)
	}
	fresh := pan(t, w.manager(t, nil))
	for _, r := range all {
		opens(t, s, r)
		opens(t, fresh, r)
	}
	require.Equal(t, 6, w.kek.Wraps())
}

// A ring that has no key yet gets one, by however many it is asked.
func TestRotateEmptyRing(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	id, err := m.Rotate(t.Context(), "x-new")
	require.NoError(t, err)
	require.Equal(t, id, keyOf(t, seal(t, scopeOf(t, m, "x-new", ""))))
	require.Equal(t, 1, w.calls())
}

func TestRotateRefusals(t *testing.T) {
	w := newWorld()
	h := w.hooked()
	m := w.manager(t, nil)
	_, err := m.Rotate(t.Context(), keys.Index)
	require.ErrorIs(t, err, keys.ErrNotRotatable)
	for _, p := range []keys.Purpose{"", "PAN", "x-"} {
		_, err = m.Rotate(t.Context(), p)
		require.ErrorAs(t, err, new(*keys.OptionError))
		_, err = m.Records(t.Context(), p)
		require.ErrorAs(t, err, new(*keys.OptionError))
	}
	require.Empty(t, h.ops)
	require.Zero(t, w.calls())
}

// An index key is replaced only by who asks for just that, and gives its subkeys
// afterwards as before: to this process and to those that start later.
func TestRotateIndex(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	s := scopeOf(t, m, keys.Index, "shop")
	old, err := s.ActiveKey(t.Context())
	require.NoError(t, err)
	before, err := s.Subkey(t.Context(), old, "blind index")
	require.NoError(t, err)

	next, err := m.RotateIndex(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, old, next)
	for _, m := range []*keys.Manager{m, w.manager(t, nil)} {
		s := scopeOf(t, m, keys.Index, "shop")
		active, err := s.ActiveKey(t.Context())
		require.NoError(t, err)
		require.Equal(t, next, active)
		again, err := s.Subkey(t.Context(), old, "blind index")
		require.NoError(t, err)
		require.Equal(t, before, again)
		other, err := s.Subkey(t.Context(), next, "blind index")
		require.NoError(t, err)
		require.NotEqual(t, before, other)
	}
	list, active := records(t, w.store, keys.Index)
	require.Len(t, list, 2)
	require.Equal(t, 1, active)
	require.Equal(t, keys.Retired, list[slices.IndexFunc(list, func(r keys.Record) bool { return r.ID == old })].State)

	_, err = inlineWorld().manager(t, nil).RotateIndex(t.Context())
	require.ErrorIs(t, err, keys.ErrNotRotatable)
}

// meet holds the first n readings of a ring until all of them have their answer,
// so that every one of n processes acts on the same state.
func (h *hookStore) meet(n int) {
	var wg sync.WaitGroup
	wg.Add(n)
	seen := make(chan struct{}, n)
	for range n {
		seen <- struct{}{}
	}
	h.hooks(nil, func(_ context.Context, op string, _ int) error {
		if op == "list" {
			select {
			case <-seen:
				wg.Done()
				wg.Wait()
			default:
			}
		}
		return nil
	})
}

// Many processes that rotate on the same state make one key between them.
func TestRotationsOfManyProcesses(t *testing.T) {
	const n = 16
	for _, start := range []string{"empty", "used"} {
		t.Run(start, func(t *testing.T) {
			w := newWorld()
			var before []keys.Record
			if start == "used" {
				seal(t, pan(t, w.manager(t, nil)))
				before, _ = records(t, w.store, keys.PAN)
			}
			h := w.hooked()
			managers, scopes := make([]*keys.Manager, n), make([]*keys.Scope, n)
			for i := range n {
				managers[i] = w.manager(t, nil)
				scopes[i] = pan(t, managers[i])
				if start == "used" {
					seal(t, scopes[i])
				}
			}
			h.meet(n)
			ids := make([]keys.KeyID, n)
			var wg sync.WaitGroup
			for i := range n {
				wg.Go(func() {
					var err error
					ids[i], err = managers[i].Rotate(t.Context(), keys.PAN)
					assert.NoError(t, err)
				})
			}
			wg.Wait()
			for i, s := range scopes { // who lost seals under the winner's key, too
				require.Equal(t, ids[i], keyOf(t, seal(t, s)))
			}
			slices.SortFunc(ids, func(a, b keys.KeyID) int { return slices.Compare(a[:], b[:]) })
			require.Len(t, slices.Compact(ids), 1, "keys made for one rotation")
			after, active := records(t, h.Store, keys.PAN)
			require.Equal(t, 1, active)
			require.Len(t, after, len(before)+1)
		})
	}
}

// A call that comes when another one's key is active already, though that one was
// not told yet, replaces it.
func TestRotateRightBehindAnother(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		h := w.hooked()
		m := w.manager(t, nil)
		answer := make(chan struct{})
		h.hooks(nil, func(_ context.Context, op string, _ int) error {
			if op == "swap" && h.count("swap") == 1 {
				<-answer
			}
			return nil
		})
		var ids [2]keys.KeyID
		var wg sync.WaitGroup
		for i := range ids {
			wg.Go(func() {
				var err error
				ids[i], err = m.Rotate(t.Context(), keys.PAN)
				assert.NoError(t, err)
			})
			sleep(t, "1ms")
		}
		close(answer)
		wg.Wait()
		require.NotEqual(t, ids[0], ids[1])
	})
}

// Two processes of sixteen callers each rotate again and again. At any time one
// key at most is active, and each key that a caller was told of exists.
func TestRotationsWithoutRest(t *testing.T) {
	w := newWorld()
	managers := []*keys.Manager{w.manager(t, nil), w.manager(t, nil)}
	var mu sync.Mutex
	told := map[keys.KeyID]bool{}
	var wg sync.WaitGroup
	for i := range 32 {
		wg.Go(func() {
			for range 5 {
				id, err := managers[i%2].Rotate(t.Context(), keys.PAN)
				if !assert.NoError(t, err) {
					return
				}
				list, _, err := w.store.List(t.Context(), keys.RingID{Environment: "production", Purpose: keys.PAN})
				assert.NoError(t, err)
				n := 0
				for _, r := range list {
					if r.State == keys.Active {
						n++
					}
				}
				assert.Equal(t, 1, n, "active keys")
				mu.Lock()
				told[id] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	list, _ := records(t, w.store, keys.PAN)
	require.Len(t, list, len(told), "keys nobody was told of")
	for _, r := range list {
		require.True(t, told[r.ID])
	}
	a, b := pan(t, managers[0]), pan(t, managers[1])
	a.Refresh()
	b.Refresh()
	require.Equal(t, keyOf(t, seal(t, a)), keyOf(t, seal(t, b)))
}

func TestFirstUseByManyProcesses(t *testing.T) {
	const n = 16
	w := newWorld()
	h := w.hooked()
	h.meet(n)
	all := make([][]byte, n)
	var wg sync.WaitGroup
	for i := range n {
		s := pan(t, w.manager(t, nil))
		wg.Go(func() {
			var err error
			all[i], err = s.Seal(t.Context(), nil, []byte(message), additional())
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	list, active := records(t, h.Store, keys.PAN)
	require.Equal(t, 1, active)
	require.Len(t, list, 1)
	s := pan(t, w.manager(t, nil))
	salts := map[envelope.Salt]bool{}
	for _, r := range all {
		require.Equal(t, list[0].ID, keyOf(t, r))
		opens(t, s, r)
		salts[saltOf(t, r)] = true
	}
	require.Len(t, salts, n)
}

// A store whose ring changes all the time fails with a kind, not for ever.
func TestConflictWithoutEnd(t *testing.T) {
	w := newWorld()
	h := w.hooked()
	h.hooks(func(_ context.Context, op string, _ int) error {
		if op == "swap" {
			return keys.ErrConflict
		}
		return nil
	}, nil)
	m := w.manager(t, nil)
	_, err := pan(t, m).Seal(t.Context(), nil, nil, additional())
	require.ErrorIs(t, err, keys.ErrConflict)
	_, err = m.Rotate(t.Context(), keys.PAN)
	require.ErrorIs(t, err, keys.ErrConflict)
	require.LessOrEqual(t, h.count("swap"), 32)
}
