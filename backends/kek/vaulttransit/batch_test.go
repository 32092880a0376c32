package vaulttransit

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// TestUnwrapBatch: items fail singly, each with its own kind, in their order.
func TestUnwrapBatch(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	k := v.open(name)
	wrap := func() (Wrapped, []byte) {
		b, key := binding(), dataKey()
		form, err := k.Wrap(t.Context(), nil, key, b)
		require.NoError(t, err)
		return Wrapped{form, b}, key
	}
	old, _ := wrap()
	v.rotate(name)
	v.configure(name, map[string]any{"min_decryption_version": 2})
	first, firstKey := wrap()
	last, lastKey := wrap()
	unbound, _ := wrap()
	unbound.Binding.Scope = "other"
	altered, _ := wrap()
	altered.Bytes[len(altered.Bytes)-1] ^= 1
	unchecked, _ := wrap()
	unchecked.Bytes[1] ^= 1

	items := []Wrapped{first, old, unbound, {nil, binding()}, altered, unchecked, last}
	got := k.UnwrapBatch(t.Context(), items)
	require.Len(t, got, len(items))
	require.Equal(t, Unwrapped{DataKey: firstKey}, got[0])
	require.Equal(t, Unwrapped{DataKey: lastKey}, got[6])
	for i, want := range map[int]error{
		1: keys.ErrDisabled, 2: keys.ErrCorrupt, 3: keys.ErrCorrupt, 4: keys.ErrCorrupt, 5: keys.ErrCorrupt,
	} {
		require.Nil(t, got[i].DataKey)
		isKind(t, want, got[i].Err, "update "+v.path("decrypt", name))
	}
	// Vault answers another status where nothing at all could be decrypted.
	got = k.UnwrapBatch(t.Context(), []Wrapped{unbound, old})
	require.ErrorIs(t, got[0].Err, keys.ErrCorrupt)
	require.ErrorIs(t, got[1].Err, keys.ErrDisabled)
	require.Empty(t, k.UnwrapBatch(t.Context(), nil))
}

// TestUnwrapBatchOfMany: more than one request holds.
func TestUnwrapBatchOfMany(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	k := v.open(name)
	b, key := binding(), dataKey()
	form, err := k.Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)
	items := make([]Wrapped, 2*maxBatch+1)
	for i := range items {
		items[i] = Wrapped{form, b}
	}
	wrong := b
	wrong.Purpose = keys.CVC
	items[maxBatch].Binding = wrong
	calls := 0
	k.calls = hooked(t, v.client, func(*http.Request) { calls++ })
	for i, u := range k.UnwrapBatch(t.Context(), items) {
		if i == maxBatch {
			require.ErrorIs(t, u.Err, keys.ErrCorrupt)
			continue
		}
		require.NoError(t, u.Err)
		require.Equal(t, key, u.DataKey)
	}
	require.Equal(t, 3+1, calls, "three batches, and a look at the key for the second")
}

// TestUnwrapBatchFails: the error of a whole call is every item's that was sent.
func TestUnwrapBatchFails(t *testing.T) {
	f := newFake(t)
	k := f.open(t)
	b := binding()
	key := dataKey()
	items := []Wrapped{{wrappedAs(t, 3, key, b), b}, {nil, b}, {wrappedAs(t, 3, dataKey(), b), b}}
	for answer, want := range map[string]error{
		`{"data":{"batch_results":[{"plaintext":"AAAA"}]}}`:                      keys.ErrUnavailable, // one short
		`{"data":{"batch_results":[{"plaintext":"AAAA"},{},{}]}}`:                keys.ErrUnavailable, // one more
		`{"data":{"batch_results":[{},{}]}}`:                                     keys.ErrUnavailable,
		`{"data":{"batch_results":[{"plaintext":"AAAA"},{"plaintext":"AAAA"}]}}`: keys.ErrCorrupt,
		`{"data":{}}`: keys.ErrUnavailable,
	} {
		f.on("decrypt", says(200, answer))
		got := k.UnwrapBatch(t.Context(), items)
		require.ErrorIs(t, got[0].Err, want, answer)
		require.ErrorIs(t, got[1].Err, keys.ErrCorrupt, answer)
		require.ErrorIs(t, got[2].Err, want, answer)
		for _, u := range got {
			require.Nil(t, u.DataKey)
		}
	}
	// One decrypted, the other refused, and then nothing can be said of the key.
	good := reveals(key)
	good = good[len(`{"data":`) : len(good)-1]
	f.on("decrypt", says(200, `{"data":{"batch_results":[`+good+`,{"plaintext":"","error":"no"}]}}`))
	f.on("keys", says(503, `{"errors":["sealed"]}`))
	for i, u := range k.UnwrapBatch(t.Context(), items) {
		if i != 1 {
			require.ErrorIs(t, u.Err, keys.ErrUnavailable)
		}
		require.Nil(t, u.DataKey)
	}
}
