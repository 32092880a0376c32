// Package capturetest holds what every store of capture keys and every memory of
// messages must do. A store's own tests call it.
package capturetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/tokenize/capture"
)

// TestKeyStore tests a key store; each call of open gives an empty one.
func TestKeyStore(t *testing.T, open func(t *testing.T) capture.KeyStore) {
	now := time.Date(2026, 11, 24, 20, 0, 0, 0, time.UTC)
	key := func(scope, alias string, sealed string) capture.Key {
		return capture.Key{
			Scope: scope, Alias: alias, ID: cryptocapture.NewKeyID(),
			Created: now, Retires: now.Add(time.Hour), Sealed: []byte(sealed),
		}
	}
	t.Run("Get", func(t *testing.T) {
		s := open(t)
		k := key("scope", "alias", "sealed\x00\xff")
		sealed := slices.Clone(k.Sealed)
		require.NoError(t, s.Put(t.Context(), k))
		clear(k.Sealed) // the store has a copy
		got, err := s.Get(t.Context(), "scope", "alias", k.ID)
		require.NoError(t, err)
		k.Sealed = sealed
		requireKey(t, k, got)
		clear(got.Sealed)
		got, err = s.Get(t.Context(), "scope", "alias", k.ID)
		require.NoError(t, err)
		requireKey(t, k, got)
		for _, other := range []capture.Key{
			{Scope: "scope2", Alias: "alias", ID: k.ID}, {Scope: "scope", Alias: "Alias", ID: k.ID}, {Scope: "SCOPE", Alias: "alias", ID: k.ID},
			{Scope: "scope", Alias: "alias", ID: cryptocapture.NewKeyID()}, {Scope: "scopea", Alias: "lias", ID: k.ID}, {Scope: "", Alias: "alias", ID: k.ID},
		} {
			_, err := s.Get(t.Context(), other.Scope, other.Alias, other.ID)
			require.ErrorIs(t, err, capture.ErrNoKey)
		}
	})
	t.Run("Put replaces", func(t *testing.T) {
		s := open(t)
		k := key("scope", "alias", "one")
		require.NoError(t, s.Put(t.Context(), k))
		k.Sealed, k.Retires = []byte(strings.Repeat("two", 1000)), now.Add(time.Minute)
		require.NoError(t, s.Put(t.Context(), k))
		got, err := s.Get(t.Context(), "scope", "alias", k.ID)
		require.NoError(t, err)
		requireKey(t, k, got)
		all, err := s.List(t.Context(), "scope", "alias")
		require.NoError(t, err)
		require.Len(t, all, 1)
	})
	t.Run("List", func(t *testing.T) {
		s := open(t)
		a, b, c, d := key("scope", "alias", "a"), key("scope", "alias", "b"), key("scope", "alias2", "c"), key("scope2", "alias", "d")
		for _, k := range []capture.Key{a, b, c, d} {
			require.NoError(t, s.Put(t.Context(), k))
		}
		for _, c := range []struct {
			scope, alias string
			want         []capture.Key
		}{
			{"scope", "alias", []capture.Key{a, b}}, {"scope", "", []capture.Key{a, b, c}}, {"scope2", "", []capture.Key{d}},
			{"scope", "alia", nil}, {"", "", nil}, {"", "alias", nil}, {"scope2", "alias2", nil},
		} {
			got, err := s.List(t.Context(), c.scope, c.alias)
			require.NoError(t, err)
			require.Len(t, got, len(c.want))
			for _, want := range c.want {
				i := slices.IndexFunc(got, func(k capture.Key) bool { return k.ID == want.ID })
				require.GreaterOrEqual(t, i, 0)
				requireKey(t, want, got[i])
			}
		}
	})
	t.Run("ended context", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		k := key("scope", "alias", "one")
		require.ErrorIs(t, s.Put(ctx, k), context.Canceled)
		_, err := s.Get(ctx, "scope", "alias", k.ID)
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.List(ctx, "scope", "alias")
		require.ErrorIs(t, err, context.Canceled)
		_, err = s.Get(t.Context(), "scope", "alias", k.ID)
		require.ErrorIs(t, err, capture.ErrNoKey)
	})
}

func requireKey(t *testing.T, want, got capture.Key) {
	t.Helper()
	require.True(t, want.Created.Equal(got.Created), "created")
	require.True(t, want.Retires.Equal(got.Retires), "retires")
	got.Created, got.Retires = want.Created, want.Retires
	require.Equal(t, want, got)
}

// TestReplayStore tests a memory of messages; each call of open gives an empty one.
func TestReplayStore(t *testing.T, open func(t *testing.T) capture.ReplayStore) {
	replay := func(digest byte) capture.Replay {
		r := capture.Replay{Scope: "scope", Until: time.Now().Add(capture.ReplayLife)}
		r.Digest[31] = digest
		return r
	}
	t.Run("once", func(t *testing.T) {
		s := open(t)
		require.NoError(t, s.Insert(t.Context(), replay(1)))
		require.NoError(t, s.Insert(t.Context(), replay(2)))
		for range 2 {
			require.ErrorIs(t, s.Insert(t.Context(), replay(1)), capture.ErrReplayed)
			require.ErrorIs(t, s.Insert(t.Context(), replay(2)), capture.ErrReplayed)
		}
		longer := replay(1)
		longer.Until = longer.Until.Add(time.Hour)
		require.ErrorIs(t, s.Insert(t.Context(), longer), capture.ErrReplayed)
	})
	t.Run("ended context", func(t *testing.T) {
		s := open(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, s.Insert(ctx, replay(1)), context.Canceled)
		require.NoError(t, s.Insert(t.Context(), replay(1)))
	})
	t.Run("at once", func(t *testing.T) {
		s := open(t)
		var wg sync.WaitGroup
		var taken, refused, failed atomic.Int64
		for range 16 {
			wg.Go(func() {
				switch err := s.Insert(t.Context(), replay(3)); {
				case err == nil:
					taken.Add(1)
				case errors.Is(err, capture.ErrReplayed):
					refused.Add(1)
				default:
					failed.Add(1)
				}
			})
		}
		wg.Wait()
		require.Equal(t, []int64{1, 15, 0}, []int64{taken.Load(), refused.Load(), failed.Load()})
	})
}
