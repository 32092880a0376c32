package keys_test

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

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

// A ring whose KEK was replaced gets a key that the new one wraps, from whoever
// seals first, and needs no rotation by hand. Index keys stay.
func TestRotateWhereTheKEKWasReplaced(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	old := seal(t, pan(t, m))
	pinned, err := scopeOf(t, m, keys.Index, "shop").ActiveKey(t.Context())
	require.NoError(t, err)
	next := keystest.NewKEK("kek-2")
	o := &keys.Options{OldKEKs: []keys.KEK{w.kek}}
	m = w.managerWith(t, next, o)
	s := pan(t, m)
	opens(t, s, old)
	list, _ := records(t, w.store, keys.PAN)
	require.Len(t, list, 1, "opening replaces nothing")
	for range 2 {
		record := seal(t, s)
		require.Equal(t, []string{"kek-2"}, wrappedBy(t, w, keyOf(t, record)))
		s.Refresh()
		s = pan(t, w.managerWith(t, next, o))
	}
	list, active := records(t, w.store, keys.PAN)
	require.Len(t, list, 2)
	require.Equal(t, 1, active)
	opens(t, s, old)
	id, err := scopeOf(t, m, keys.Index, "shop").ActiveKey(t.Context())
	require.NoError(t, err)
	require.Equal(t, pinned, id)
}
