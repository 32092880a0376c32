package keys_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// What a manager does is told in order, with ring, key and outcome, and a warm call
// tells nothing.
func TestObserver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w, seen := newWorld(), &events{}
		o := clocks()
		o.Observer = seen
		m := w.manager(t, o)
		s := pan(t, m)
		var kinds []keys.EventKind
		step := func(do func()) []keys.EventKind {
			seen.all, kinds = nil, nil
			do()
			for _, e := range seen.all {
				kinds = append(kinds, e.Kind)
				require.Equal(t, keys.PAN, e.Ring.Purpose)
				require.NotEqual(t, "invalid", e.Kind.String())
			}
			return kinds
		}
		var record []byte
		w.kek.Before(func(context.Context, string, int) error { time.Sleep(time.Second); return nil })
		require.Equal(t, []keys.EventKind{keys.RingRead, keys.KMSCall}, step(func() { record = seal(t, s) }))
		id := keyOf(t, record)
		require.Equal(t, keys.Event{
			Kind: keys.KMSCall, Ring: s.Ring(), Op: keys.OpWrap, KEK: "kek-1", Key: id, Took: time.Second,
		}, seen.all[1])
		opens(t, s, record)
		opens(t, s, record)
		require.Empty(t, step(func() { opens(t, s, record); seal(t, s) }), "on the warm path")
		require.Equal(t, []keys.EventKind{keys.CacheHit}, step(func() {
			_, err := s.Subkey(t.Context(), id, "label")
			require.NoError(t, err)
		}))
		require.Equal(t, []keys.EventKind{keys.RingRead, keys.KMSCall, keys.Rotated}, step(func() {
			_, err := m.Rotate(t.Context(), keys.PAN)
			require.NoError(t, err)
		}))
		keys.Evict(m, keys.PAN, id)
		w.kek.SetError(keys.ErrDenied)
		require.Equal(t, []keys.EventKind{keys.CacheMiss, keys.KMSCall}, step(func() {
			_, err := s.Open(t.Context(), nil, record, additional())
			require.Error(t, err)
		}))
		require.ErrorIs(t, seen.all[1].Err, keys.ErrDenied)
		w.kek.SetError(nil)
		opens(t, s, record)
		require.Equal(t, []keys.EventKind{keys.Ended, keys.StateChanged}, step(func() { require.NoError(t, m.Disable(t.Context(), id)) }))
		require.Equal(t, keys.Disabled, seen.all[1].State)
		moved := []keys.EventKind{keys.KMSCall, keys.KMSCall, keys.KMSCall, keys.Rewrapped} // unwrap, wrap, look
		require.Equal(t, slices.Concat([]keys.EventKind{keys.RingRead}, moved, moved), step(func() {
			_, err := m.Rewrap(t.Context(), keys.PAN, nil)
			require.NoError(t, err)
		}))
		active := keyOf(t, seal(t, s))
		sleep(t, "21m")
		seal(t, s)
		sleep(t, "1m")
		refreshed := seen.of(keys.Refreshed)
		require.Len(t, refreshed, 1)
		require.Equal(t, active, refreshed[0].Key)
		require.NoError(t, refreshed[0].Err)
	})
	require.Equal(t, "invalid", keys.EventKind(200).String())
}

// Errors that reach an observer keep their kind; nothing it is told holds a key.
func TestObserverIsToldNoSecret(t *testing.T) {
	w, seen := newWorld(), &events{}
	var raws [][]byte
	k := &spy{w.kek, func(raw []byte) { raws = append(raws, append([]byte(nil), raw...)) }}
	m := w.managerWith(t, k, &keys.Options{Observer: seen})
	record := seal(t, pan(t, m))
	_, err := m.Rewrap(t.Context(), keys.PAN, nil)
	require.NoError(t, err)
	w.kek.SetError(errors.Join(keys.ErrDenied, errors.New("vendor's words")))
	_, err = m.Rotate(t.Context(), keys.PAN)
	require.Error(t, err)
	opens(t, pan(t, m), record)
	require.NotEmpty(t, raws)
	for _, e := range seen.all {
		for _, text := range append(prints(e), dump(e)) {
			for _, raw := range raws {
				require.False(t, shown(text, raw))
			}
		}
	}
}
