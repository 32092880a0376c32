package keys_test

import (
	"context"
	"errors"
	"testing"

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
