package vaulttransit

import (
	"net/http"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// TestKeysRefused: a key that would not bind is refused with the command that
// makes one that does.
func TestKeysRefused(t *testing.T) {
	v := newBao(t)
	for reason, settings := range map[string]map[string]any{
		"is not derived":         {},
		"encrypts convergently":  {"derived": true, "convergent_encryption": true},
		"the type aes128-gcm96":  {"derived": true, "type": "aes128-gcm96"},
		"the type rsa-4096":      {"type": "rsa-4096"},
		"the type ed25519":       {"derived": true, "type": "ed25519"},
		"the type hmac, which":   {"type": "hmac", "key_size": 32},
		"the type ecdsa-p256, w": {"type": "ecdsa-p256"},
	} {
		name := v.newKey(settings)
		_, err := New(t.Context(), v.client, v.mount, name, nil)
		isKind(t, keys.ErrDisabled, err, "read "+v.path("keys", name))
		var e *KeyError
		require.ErrorAs(t, err, &e, reason)
		require.ErrorContains(t, err, reason)
		require.ErrorContains(t, err, "vault write -f "+v.path("keys", name)+"-2 derived=true")
		// The command does what it says.
		v.write(v.path("keys", name)+"-2", map[string]any{"derived": true})
		v.open(name + "-2")
	}
}

// TestIgnoredContext shows the trap that the refusal is about: Vault decrypts
// under any context where the key is not derived.
func TestIgnoredContext(t *testing.T) {
	v := newBao(t)
	name := v.newKey(map[string]any{})
	s := v.write(v.path("encrypt", name), map[string]any{"plaintext": "AAAA", "context": "YWJj"})
	s = v.write(v.path("decrypt", name), map[string]any{"ciphertext": s.Data["ciphertext"], "context": "eHl6"})
	require.Equal(t, "AAAA", s.Data["plaintext"])
}

// TestNoKeyIsMade: Vault makes a key on encryption under a name that has none. We
// never ask for that.
func TestNoKeyIsMade(t *testing.T) {
	v := newBao(t)
	_, err := New(t.Context(), v.client, v.mount, "misspelt", nil)
	isKind(t, keys.ErrNotFound, err, "read "+v.path("keys", "misspelt"))
	require.False(t, v.exists("misspelt"))
	_, err = New(t.Context(), v.client, "no-mount-"+random(), "pan", nil)
	require.ErrorIs(t, err, keys.ErrNotFound)

	b := binding()
	name := v.newKey(nil)
	k := v.open(name)
	wrapped, err := k.Wrap(t.Context(), nil, dataKey(), b)
	require.NoError(t, err)
	v.delete(name)
	_, err = k.Wrap(t.Context(), nil, dataKey(), b)
	require.ErrorIs(t, err, keys.ErrNotFound)
	_, _, err = k.GenerateDataKey(t.Context(), nil, b)
	require.ErrorIs(t, err, keys.ErrNotFound)
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	require.ErrorIs(t, err, keys.ErrNotFound)
	_, err = k.Rewrap(t.Context(), nil, wrapped, b)
	require.ErrorIs(t, err, keys.ErrNotFound)
	require.ErrorIs(t, k.UnwrapBatch(t.Context(), []Wrapped{{wrapped, b}})[0].Err, keys.ErrNotFound)
	require.ErrorIs(t, k.Check(t.Context()), keys.ErrNotFound)
	require.False(t, v.exists(name), "the key has come back")

	// The trap itself, so that it is seen when it goes.
	v.write(v.path("encrypt", name), map[string]any{"plaintext": "AAAA", "context": "YWJj"})
	require.True(t, v.exists(name))
	// What another key of that name cannot open is corrupt.
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	require.ErrorIs(t, err, keys.ErrCorrupt)
}

// TestRaceWithDeletion: between our look at the key and the encryption it can go.
// Under the policy of the package's doc it does not come back then.
func TestRaceWithDeletion(t *testing.T) {
	for _, disable := range []bool{false, true} {
		v := newBao(t)
		name := v.newKey(nil)
		client := v.client
		if disable {
			v.write(v.mount+"/config/keys", map[string]any{"disable_upsert": true})
		} else {
			client = v.as(v.token(v.allow(name)))
		}
		k := v.openWith(client, name, nil)
		k.calls = hooked(t, client, func(r *http.Request) {
			if r.Method == http.MethodPut && v.exists(name) {
				v.delete(name)
			}
		})
		_, err := k.Wrap(t.Context(), nil, dataKey(), binding())
		require.Error(t, err)
		require.False(t, v.exists(name), "the key has come back")
	}
}

// hooked is a client for calls that has before run for each request.
func hooked(t *testing.T, client *api.Client, before func(*http.Request)) *api.Client {
	config := client.CloneConfig()
	config.Address = client.Address()
	inner := config.HttpClient.Transport
	config.HttpClient.Transport = roundTripper(func(r *http.Request) (*http.Response, error) {
		before(r)
		return inner.RoundTrip(r)
	})
	c, err := api.NewClient(config)
	require.NoError(t, err)
	c, err = quiet(c)
	require.NoError(t, err)
	return c
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// TestKeyReplaced: a key deleted and made anew without derivation wraps nothing.
func TestKeyReplaced(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	k := v.open(name)
	v.delete(name)
	v.write(v.path("keys", name), nil)
	_, err := k.Wrap(t.Context(), nil, dataKey(), binding())
	require.ErrorIs(t, err, keys.ErrDisabled)
	_, _, err = k.GenerateDataKey(t.Context(), nil, binding())
	require.ErrorIs(t, err, keys.ErrDisabled)
	require.ErrorIs(t, k.Check(t.Context()), keys.ErrDisabled)
}

// TestCalls: what each operation costs.
func TestCalls(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	k := v.open(name)
	var asked []string
	k.calls = hooked(t, v.client, func(r *http.Request) { asked = append(asked, r.Method+" "+r.URL.Path) })
	expect := func(operations ...string) {
		t.Helper()
		var want []string
		for _, o := range operations {
			method := http.MethodPut
			if o == "keys" {
				method = http.MethodGet
			}
			want = append(want, method+" /v1/"+v.path(o, name))
		}
		require.Equal(t, want, asked)
		asked = nil
	}
	b, key := binding(), dataKey()
	wrapped, err := k.Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)
	expect("keys", "encrypt", "decrypt")
	_, _, err = k.GenerateDataKey(t.Context(), nil, b)
	require.NoError(t, err)
	expect("keys", "datakey/plaintext", "decrypt")
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)
	expect("decrypt")
	_, err = k.Rewrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)
	expect("rewrap")
	k.UnwrapBatch(t.Context(), make([]Wrapped, 3))
	expect()
	k.UnwrapBatch(t.Context(), []Wrapped{{wrapped, b}, {wrapped, b}, {wrapped, b}})
	expect("decrypt")
	require.NoError(t, k.Check(t.Context()))
	expect("keys", "datakey/plaintext", "decrypt", "decrypt", "decrypt", "keys")
}
