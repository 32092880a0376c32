package keys_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

func TestDisabledAndDestroyedKeys(t *testing.T) {
	for _, state := range []keys.State{keys.Disabled, keys.Destroyed} {
		t.Run(state.String(), func(t *testing.T) {
			w := newWorld()
			record := seal(t, pan(t, w.manager(t, nil)))
			id := keyOf(t, record)
			setState(t, w.store, id, state)
			unwraps := w.kek.Unwraps()
			s := pan(t, w.manager(t, nil))
			refuses(t, s, record, additional(), keys.ErrDisabled)
			_, err := s.Subkey(t.Context(), id, "label")
			require.ErrorIs(t, err, keys.ErrDisabled)
			require.Equal(t, unwraps, w.kek.Unwraps(), "the KMS was asked for a key out of use")

			next := seal(t, s) // under a key of its own, since none is active
			require.NotEqual(t, id, keyOf(t, next))
			opens(t, s, next)
			refuses(t, s, record, additional(), keys.ErrDisabled)

			setState(t, w.store, id, keys.Retired)
			opens(t, s, record)
		})
	}
}

// A state that this version does not know seals and opens nothing.
func TestUnknownState(t *testing.T) {
	w := newWorld()
	record := seal(t, pan(t, w.manager(t, nil)))
	rec, err := w.store.Get(t.Context(), keyOf(t, record))
	require.NoError(t, err)
	for _, state := range []keys.State{0, 5, 255} {
		rec.State = state
		m, err := keys.Open(t.Context(), &fixedStore{rec: rec}, w.kek, nil)
		require.NoError(t, err)
		defer m.Close()
		refuses(t, pan(t, m), record, additional(), keys.ErrDisabled)
	}
}

// fixedStore holds one key in the state the test wants.
type fixedStore struct {
	keys.Store
	rec keys.Record
}

func (f *fixedStore) Get(context.Context, keys.KeyID) (keys.Record, error) { return f.rec, nil }

// A key that lies in another ring's row, by mistake or malice, is unknown here.
func TestKeyOfAnotherRing(t *testing.T) {
	w := newWorld()
	record := seal(t, pan(t, w.manager(t, nil)))
	rec, err := w.store.Get(t.Context(), keyOf(t, record))
	require.NoError(t, err)
	unwraps := w.kek.Unwraps()
	for _, ring := range []keys.RingID{
		{Environment: "test", Purpose: keys.PAN},
		{Environment: "production", Purpose: keys.CVC},
		{Environment: "production", Purpose: keys.PAN, Scope: "shop"},
	} {
		rec.Ring = ring
		m, err := keys.Open(t.Context(), &fixedStore{rec: rec}, w.kek, nil)
		require.NoError(t, err)
		defer m.Close()
		refuses(t, pan(t, m), record, additional(), envelope.ErrUnknownKey)
	}
	require.Equal(t, unwraps, w.kek.Unwraps())
}

// Whoever can write the store cannot put one key's wrapping under another's ID,
// ring or time: the KMS binds them.
func TestSwappedWrappings(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	record := seal(t, pan(t, m))
	_, err := m.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	list, _ := records(t, w.store, keys.PAN)
	require.Len(t, list, 2)
	own, other := list[0], list[1]
	if own.ID != keyOf(t, record) {
		own, other = other, own
	}
	for name, change := range map[string]func(r *keys.Record){
		"wrapping": func(r *keys.Record) { r.Wrapped = other.Wrapped },
		"time":     func(r *keys.Record) { r.Created = r.Created.Add(1e9) },
	} {
		t.Run(name, func(t *testing.T) {
			rec := own
			change(&rec)
			m, err := keys.Open(t.Context(), &fixedStore{rec: rec}, w.kek, nil)
			require.NoError(t, err)
			defer m.Close()
			refuses(t, pan(t, m), record, additional(), keys.ErrCorrupt)
		})
	}
}

// A key that another KEK wrapped makes no call; one that several wrapped opens
// with any of them.
func TestWrappedByAnotherKEK(t *testing.T) {
	w := newWorld()
	record := seal(t, pan(t, w.manager(t, nil)))
	other := keystest.NewKEK("kek-2")
	s := pan(t, w.managerWith(t, other, nil))
	refuses(t, s, record, additional(), keys.ErrNotFound)
	_, err := s.Seal(t.Context(), nil, nil, additional())
	require.ErrorIs(t, err, keys.ErrNotFound)
	require.Zero(t, other.Unwraps()+other.Wraps())

	// The way out is a rotation, which needs the new KEK alone.
	m := w.managerWith(t, other, nil)
	_, err = m.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	opens(t, pan(t, m), seal(t, pan(t, m)))
	opens(t, pan(t, w.manager(t, nil)), record)
}

func TestSubkey(t *testing.T) {
	w := newWorld()
	m := w.manager(t, nil)
	s := scopeOf(t, m, keys.Index, "shop")
	id, err := s.ActiveKey(t.Context())
	require.NoError(t, err)
	seen := map[string]string{}
	subkey := func(name string, s *keys.Scope, label string) {
		key, err := s.Subkey(t.Context(), id, label)
		require.NoError(t, err)
		require.Len(t, key, 32)
		require.Empty(t, seen[string(key)], "%s gives another's key", name)
		seen[string(key)] = name
	}
	subkey("home", s, "label")
	subkey("label", s, "label2")
	subkey("scope", scopeOf(t, m, keys.Index, "shop2"), "label")
	again, err := scopeOf(t, w.manager(t, nil), keys.Index, "shop").Subkey(t.Context(), id, "label")
	require.NoError(t, err)
	require.Equal(t, "home", seen[string(again)], "another process")

	_, err = pan(t, m).Subkey(t.Context(), id, "label") // another ring
	require.ErrorIs(t, err, envelope.ErrUnknownKey)
	_, err = s.Subkey(t.Context(), keys.KeyID{}, "label")
	require.ErrorIs(t, err, envelope.ErrUnknownKey)
	_, err = s.Subkey(t.Context(), id, "")
	require.ErrorAs(t, err, new(*envelope.ArgumentError))
	_, err = scopeOf(t, inlineWorld().manager(t, nil), keys.Index, "shop").Subkey(t.Context(), id, "label")
	require.ErrorIs(t, err, envelope.ErrUnknownKey)
}
