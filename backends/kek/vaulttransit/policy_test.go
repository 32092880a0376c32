package vaulttransit

import (
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// TestVersions: rotation, min_decryption_version and trimming, with the version
// told without a call.
func TestVersions(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	k := v.open(name)
	b, key := binding(), dataKey()
	first, err := k.Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)
	require.Equal(t, "1", k.Version(first))
	v.rotate(name)
	second, err := k.Rewrap(t.Context(), nil, first, b)
	require.NoError(t, err)
	require.Equal(t, "2", k.Version(second))
	_, third, err := k.GenerateDataKey(t.Context(), nil, b)
	require.NoError(t, err)
	require.Equal(t, "2", k.Version(third))

	opens := func(wrapped []byte, want error) {
		t.Helper()
		got, err := k.Unwrap(t.Context(), nil, wrapped, b)
		require.ErrorIs(t, err, want)
		require.Equal(t, want == nil, err == nil)
		require.Equal(t, want == nil, got != nil)
		require.ErrorIs(t, k.UnwrapBatch(t.Context(), []Wrapped{{wrapped, b}})[0].Err, want)
		_, err = k.Rewrap(t.Context(), nil, wrapped, b)
		require.ErrorIs(t, err, want)
	}
	opens(first, nil)
	v.configure(name, map[string]any{"min_decryption_version": 2})
	opens(first, keys.ErrDisabled)
	opens(second, nil)
	v.configure(name, map[string]any{"min_decryption_version": 1})
	opens(first, nil)
	v.configure(name, map[string]any{"min_decryption_version": 2, "min_encryption_version": 2})
	v.write(v.path("keys", name)+"/trim", map[string]any{"min_available_version": 2})
	opens(first, keys.ErrDisabled)
	opens(second, nil)
	// A version that was never made.
	_, ct, _ := parseStored(second)
	check, err := k.Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)
	ahead := ciphertext{9, ct.raw}.appendStored(nil, [16]byte(check[1:17]))
	opens(ahead, keys.ErrCorrupt)
	// An older version stays the one to encrypt with where the key says so.
	v.rotate(name)
	v.configure(name, map[string]any{"min_encryption_version": 2})
	again, err := k.Rewrap(t.Context(), nil, second, b)
	require.NoError(t, err)
	require.Equal(t, "3", k.Version(again))
}

// TestPolicies: each call fails by itself where policy does not grant it.
func TestPolicies(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	b, key := binding(), dataKey()
	wrapped, err := v.open(name).Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)
	with := func(without ...string) *KEK { return v.openWith(v.as(v.token(v.allow(name, without...))), name, nil) }

	_, err = with("encrypt").Wrap(t.Context(), nil, key, b)
	isKind(t, keys.ErrDenied, err, "update "+v.path("encrypt", name))
	_, err = with("decrypt").Wrap(t.Context(), nil, key, b)
	isKind(t, keys.ErrDenied, err, "update "+v.path("decrypt", name))
	_, _, err = with("datakey/plaintext").GenerateDataKey(t.Context(), nil, b)
	isKind(t, keys.ErrDenied, err, "update "+v.path("datakey/plaintext", name))
	_, err = with("decrypt").Unwrap(t.Context(), nil, wrapped, b)
	isKind(t, keys.ErrDenied, err, "update "+v.path("decrypt", name))
	_, err = with("rewrap").Rewrap(t.Context(), nil, wrapped, b)
	isKind(t, keys.ErrDenied, err, "update "+v.path("rewrap", name))
	_, err = New(t.Context(), v.as(v.token(v.allow(name, "keys"))), v.mount, name, nil)
	isKind(t, keys.ErrDenied, err, "read "+v.path("keys", name))

	// Whoever may rewrap need not be able to read the data key.
	again, err := with("encrypt", "decrypt", "datakey/plaintext").Rewrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)
	got, err := with("encrypt", "rewrap", "datakey/plaintext").Unwrap(t.Context(), nil, again, b)
	require.NoError(t, err)
	require.Equal(t, key, got)
	// The read of the key granted at first and withdrawn later: the likeliest kind.
	policy := v.policy(v.allow(name))
	k := v.openWith(v.as(v.holder(policy)), name, nil)
	v.setPolicy(policy, v.allow(name, "keys"))
	wrong := b
	wrong.Scope = "other"
	_, err = k.Unwrap(t.Context(), nil, wrapped, wrong)
	isKind(t, keys.ErrCorrupt, err, "update "+v.path("decrypt", name))
	var answer *api.ResponseError
	require.ErrorAs(t, err, &answer)
	require.Equal(t, 400, answer.StatusCode)
}
