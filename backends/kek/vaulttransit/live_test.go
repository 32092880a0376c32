package vaulttransit

import (
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// TestLive has an administrator and an outage at work. Only OpenBao can disable a
// key: by a deletion that is undone.
func TestLive(t *testing.T) {
	v := newBao(t)
	name := func(k keys.KEK) string { return k.(*KEK).name.name }
	var own *kmstest.Own
	keystest.RunKEKLive(t, keystest.Live{
		NewKey: func(t *testing.T) keys.KEK { return v.open(v.newKey(nil)) },
		Missing: func(t *testing.T) (keys.KEK, error) {
			k, err := New(t.Context(), v.client, v.mount, "missing", nil)
			require.Nil(t, k)
			return nil, err
		},
		Disable: func(t *testing.T, k keys.KEK) {
			_, err := v.client.Logical().DeleteWithContext(t.Context(), v.path("keys", name(k))+"/soft-delete")
			require.NoError(t, err)
		},
		Enable:  func(t *testing.T, k keys.KEK) { v.write(v.path("keys", name(k))+"/soft-delete-restore", nil) },
		Destroy: func(t *testing.T, k keys.KEK) { v.delete(name(k)) },
		Rotate:  func(t *testing.T, k keys.KEK) { v.rotate(name(k)) },
		Trim: func(t *testing.T, k keys.KEK) {
			s, err := v.client.Logical().ReadWithContext(t.Context(), v.path("keys", name(k)))
			require.NoError(t, err)
			newest := s.Data["latest_version"]
			v.configure(name(k), map[string]any{"min_decryption_version": newest, "min_encryption_version": newest})
			v.write(v.path("keys", name(k))+"/trim", map[string]any{"min_available_version": newest})
		},
		Denied: func(t *testing.T, k keys.KEK) keys.KEK {
			policy := v.policy(v.allow(name(k)))
			denied := v.openWith(v.as(v.holder(policy)), name(k), nil)
			v.setPolicy(policy, v.allow("another-key"))
			return denied
		},
		Server: kmstest.Need(t, kmstest.OpenBao).Addr(),
		Open:   func(t *testing.T, k keys.KEK, addr string) keys.KEK { return v.openAt(addr, name(k)) },
		Restart: func(t *testing.T) keys.KEK {
			own = kmstest.StartOwn(t, kmstest.OpenBao)
			w := baoAt(t, own.Server)
			return w.open(w.newKey(nil))
		},
		Stop:  func(t *testing.T) { own.Stop() },
		Start: func(t *testing.T) { own.Start() },
	})
}

// openAt opens a key by another address of the server.
func (v *bao) openAt(addr, name string) *KEK {
	return v.openWith(newClient(v.t, "http://"+addr, v.client.Token()), name, nil)
}

func TestFaults(t *testing.T) {
	v := newBao(t)
	name := v.newKey(nil)
	keystest.RunKEKFaults(t, keystest.Faults{
		Server: kmstest.Need(t, kmstest.OpenBao).Addr(),
		Open:   func(t *testing.T, addr string) keys.KEK { return v.openAt(addr, name) },
	})
}

// TestSealed: a sealed server is away, and the KEK is back when it is.
func TestSealed(t *testing.T) {
	own := kmstest.StartOwn(t, kmstest.OpenBao)
	v := baoAt(t, own.Server)
	k := v.open(v.newKey(nil))
	b, key := binding(), dataKey()
	wrapped, err := k.Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)
	require.NoError(t, v.client.Sys().SealWithContext(t.Context()))
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	require.ErrorIs(t, err, keys.ErrUnavailable)
	var answer *api.ResponseError
	require.ErrorAs(t, err, &answer)
	require.Equal(t, 503, answer.StatusCode)
	_, err = k.Wrap(t.Context(), nil, key, b)
	require.ErrorIs(t, err, keys.ErrUnavailable)
	_, err = k.Rewrap(t.Context(), nil, wrapped, b)
	require.ErrorIs(t, err, keys.ErrUnavailable)
	require.ErrorIs(t, k.UnwrapBatch(t.Context(), []Wrapped{{wrapped, b}})[0].Err, keys.ErrUnavailable)
	own.Stop()
	own.Start() // unseals itself
	got, err := k.Unwrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)
	require.Equal(t, key, got)
}

// TestTLS: the same over TLS, with the server's certificate checked.
func TestTLS(t *testing.T) {
	s := kmstest.Need(t, kmstest.OpenBao)
	require.NotEmpty(t, s.TLSURL)
	v := newBao(t)
	name := v.newKey(nil)
	config := api.DefaultConfig()
	config.Address = s.TLSURL
	require.NoError(t, config.ConfigureTLS(&api.TLSConfig{CACert: s.CAFile}))
	client, err := api.NewClient(config)
	require.NoError(t, err)
	client.SetToken(s.Token)
	k := v.openWith(client, name, nil)
	require.Equal(t, v.open(name).ID(), k.ID(), "one key, one ID")
	require.NoError(t, k.Check(t.Context()))

	_, err = New(t.Context(), newClient(t, s.TLSURL, s.Token), v.mount, name, nil) // trusts it not
	isKind(t, keys.ErrUnavailable, err, "read "+v.path("keys", name))
	require.ErrorContains(t, err, "certificate")
}
