package seal_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/seal"
)

// What is sealed anew is of the same size, lies under the active key and opens
// where it did, and there alone.
func TestReseal(t *testing.T) {
	v := newVault(t)
	m := v.manager("")
	s := seal.New(m, "shop")
	b := &seal.Binding{Record: seal.NewRecordID(), Owner: "owner", Generation: 7, Pairs: []seal.Pair{{Name: "a", Value: "b"}}}
	long := strings.Repeat("x", seal.MaxText)
	sealed := map[seal.Field][]byte{}
	var err error
	for _, f := range []seal.Field{seal.PAN, seal.NetworkToken} {
		sealed[f], err = s.SealNumber(t.Context(), nil, f, number(t, visa), b)
		require.NoError(t, err)
	}
	for f, text := range map[seal.Field]string{seal.Holder: "A HOLDER", seal.Email: "", seal.Custom: long} {
		sealed[f], err = s.SealText(t.Context(), nil, f, text, b)
		require.NoError(t, err)
	}
	next, err := v.manager("").Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	id, err := s.ActiveKey(t.Context())
	require.NoError(t, err)
	require.NotEqual(t, next, id, "the lease does not know of it")
	s.Refresh()
	id, err = s.ActiveKey(t.Context())
	require.NoError(t, err)
	require.Equal(t, next, id)

	fresh := map[seal.Field][]byte{}
	for f, record := range sealed {
		out, err := s.Reseal(t.Context(), []byte("before"), record, f, b)
		require.NoError(t, err)
		require.Equal(t, "before", string(out[:6]))
		fresh[f] = out[6:]
		require.Len(t, fresh[f], len(record))
		key, ok := envelope.StoredKeyID(fresh[f])
		require.True(t, ok)
		require.Equal(t, next, key)

		other := *b
		other.Generation++
		for _, wrong := range []struct {
			f seal.Field
			b *seal.Binding
		}{{f, &other}, {seal.Custom + 1, b}} {
			out, err = s.Reseal(t.Context(), nil, record, wrong.f, wrong.b)
			require.ErrorIs(t, err, envelope.ErrOpen)
			require.Nil(t, out)
		}
	}
	for _, f := range []seal.Field{seal.PAN, seal.NetworkToken} {
		pan, err := s.OpenNumber(t.Context(), fresh[f], f, b)
		require.NoError(t, err)
		require.True(t, pan.Equal(number(t, visa)))
	}
	for f, text := range map[seal.Field]string{seal.Holder: "A HOLDER", seal.Email: "", seal.Custom: long} {
		got, err := s.OpenText(t.Context(), fresh[f], f, b)
		require.NoError(t, err)
		require.True(t, text == got)
	}

	c, err := s.SealCVC(t.Context(), nil, code(t, "123"), b)
	require.NoError(t, err)
	_, err = s.Reseal(t.Context(), nil, c, seal.CVC, b)
	var arg *envelope.ArgumentError
	require.ErrorAs(t, err, &arg)

	// An active key that cannot be had is no fault of the record.
	require.NoError(t, m.Close())
	_, err = s.ActiveKey(t.Context())
	require.ErrorIs(t, err, keys.ErrClosed)
	broken := seal.New(m, "shop")
	_, err = broken.Reseal(t.Context(), nil, sealed[seal.PAN], seal.PAN, b)
	require.ErrorIs(t, err, keys.ErrClosed)
	require.NotErrorIs(t, err, envelope.ErrOpen)
	_, err = broken.ActiveKey(t.Context())
	require.ErrorIs(t, err, keys.ErrClosed)
}
