package keys_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// mortal is a KEK that can be destroyed.
type mortal struct {
	*keystest.KEK
	gone   bool
	refuse error
	hang   bool
}

// A key that the manager's KEK wrapped before the scope had one opens on, and its
// receipt does not promise more than is so.
func TestScopeGetsItsOwnKEK(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		before := seal(t, perScope(t, w.manager(t, nil), "a"))
		own := &mortal{KEK: keystest.NewKEK("kek-a")}
		m := w.manager(t, &keys.Options{KEKFor: func(context.Context, string) ([]keys.KEK, error) { return []keys.KEK{own}, nil }})
		s := perScope(t, m, "a")
		opens(t, s, before)
		after := seal(t, s)
		require.Equal(t, []string{"kek-a"}, wrappedBy(t, w, keyOf(t, after)))
		require.NoError(t, m.Retire(t.Context(), keyOf(t, after)))
		sleep(t, "7m")
		o := keys.DestroyOptions{Shred: true, DestroyKEK: true}
		receipt, err := m.Destroy(t.Context(), keyOf(t, before), o)
		require.NoError(t, err)
		require.Equal(t, keys.CopiesGone, receipt.Promise)
		require.Empty(t, receipt.KEKs)
		receipt, err = m.Destroy(t.Context(), keyOf(t, after), o) // the KEK is gone already
		require.NoError(t, err)
		require.Equal(t, keys.KEKGone, receipt.Promise)
		again, err := m.Destroy(t.Context(), keyOf(t, after), o)
		require.NoError(t, err)
		require.Equal(t, keys.CopiesGone, again.Promise, "what is erased can't be looked at")
	})
}

// A KEK that will not be destroyed leaves the key as it was.
func TestKEKWillNotBeDestroyed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		own := &mortal{KEK: keystest.NewKEK("kek-a"), refuse: keys.ErrDenied}
		m := w.manager(t, &keys.Options{KEKFor: func(context.Context, string) ([]keys.KEK, error) { return []keys.KEK{own}, nil }})
		s := perScope(t, m, "a")
		record := seal(t, s)
		require.NoError(t, m.Retire(t.Context(), keyOf(t, record)))
		sleep(t, "7m")
		nothing := func(context.Context, keys.KeyID) (uint64, error) { return 0, nil }
		_, err := m.Destroy(t.Context(), keyOf(t, record), keys.DestroyOptions{Census: nothing, DestroyKEK: true})
		wrongField(t, err, "DestroyKEK") // other keys of the scope are counted by nobody
		o := keys.DestroyOptions{Shred: true, DestroyKEK: true}
		_, err = m.Destroy(t.Context(), keyOf(t, record), o)
		require.ErrorIs(t, err, keys.ErrDenied)
		opens(t, s, record)
		own.refuse, own.hang = nil, true
		_, err = m.Destroy(t.Context(), keyOf(t, record), o) // though the caller would wait for ever
		require.ErrorIs(t, err, keys.ErrUnavailable)
		own.hang = false
		receipt, err := m.Destroy(t.Context(), keyOf(t, record), o)
		require.NoError(t, err)
		require.Equal(t, keys.KEKGone, receipt.Promise)
	})
}

func (k *mortal) Destroy(ctx context.Context) error {
	switch {
	case k.hang:
		<-ctx.Done()
		return ctx.Err()
	case k.refuse != nil:
		return k.refuse
	case k.gone:
		return keys.ErrDisabled
	}
	k.gone = true
	k.SetError(keys.ErrDisabled)
	return nil
}

// A scope with a KEK of its own is shredded with it, and no other scope.
func TestDestroyKEKOfScope(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld()
		own := map[string]*mortal{"a": {KEK: keystest.NewKEK("kek-a")}, "b": {KEK: keystest.NewKEK("kek-b")}}
		m := w.manager(t, &keys.Options{KEKFor: func(_ context.Context, scope string) ([]keys.KEK, error) {
			if k := own[scope]; k != nil {
				return []keys.KEK{k}, nil
			}
			return nil, nil
		}})
		records := map[string][]byte{}
		scopes := map[string]*keys.Scope{}
		for _, name := range []string{"a", "b", "c"} {
			s, err := m.ScopeIn(keys.PerScope, keys.PAN, name)
			require.NoError(t, err)
			scopes[name], records[name] = s, seal(t, s)
			require.NoError(t, m.Disable(t.Context(), keyOf(t, records[name])))
			require.NoError(t, m.Enable(t.Context(), keyOf(t, records[name])))
		}
		sleep(t, "7m")
		o := keys.DestroyOptions{Shred: true, DestroyKEK: true}
		_, err := m.Destroy(t.Context(), keyOf(t, records["c"]), o)
		wrongField(t, err, "DestroyKEK") // it has the manager's
		receipt, err := m.Destroy(t.Context(), keyOf(t, records["a"]), o)
		require.NoError(t, err)
		require.Equal(t, keys.KEKGone, receipt.Promise)
		require.Equal(t, []string{"kek-a"}, receipt.KEKs)
		require.Equal(t, "a", receipt.Ring.Scope)
		require.True(t, own["a"].gone)
		require.False(t, own["b"].gone)
		parsed, err := keys.ParseReceipt(receipt.AppendTo(nil))
		require.NoError(t, err)
		require.Equal(t, receipt, parsed)
		refuses(t, scopes["a"], records["a"], additional(), keys.ErrDisabled)
		opens(t, scopes["b"], records["b"])
		opens(t, scopes["c"], records["c"])
	})
}
