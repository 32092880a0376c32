package vaulttransit

import (
	"fmt"
	"path"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

var (
	_ keys.KEK       = (*KEK)(nil)
	_ keys.Generator = (*KEK)(nil)
	_ keys.Rewrapper = (*KEK)(nil)
	_ keys.Versioned = (*KEK)(nil)
	_ keys.Checker   = (*KEK)(nil)
)

func TestKEK(t *testing.T) {
	for _, kind := range cipherTypes {
		t.Run(kind, func(t *testing.T) {
			v := newBao(t)
			settings := map[string]any{"derived": true, "type": kind}
			keystest.RunKEK(t, func(t *testing.T) keys.KEK { return v.open(v.newKey(settings)) }, &keystest.KEKOptions{
				Reopen: func(t *testing.T, k keys.KEK) keys.KEK { return v.open(k.(*KEK).name.name) },
			})
		})
	}
}

// TestLeastPolicy: what the package's doc has the operator grant is enough for
// everything.
func TestLeastPolicy(t *testing.T) {
	v := newBao(t)
	keystest.RunKEK(t, func(t *testing.T) keys.KEK {
		name := v.newKey(nil)
		return v.openWith(v.as(v.token(v.allow(name))), name, nil)
	}, &keystest.KEKOptions{Flips: 16})
}

func TestClosed(t *testing.T) {
	v := newBao(t)
	c := &closer{}
	k := v.openWith(v.client, v.newKey(nil), &Options{Closer: c})
	require.NoError(t, k.Close())
	require.NoError(t, k.Close())
	require.Equal(t, 1, c.n)
	keystest.RunKEKClosed(t, k)
	for _, r := range k.UnwrapBatch(t.Context(), make([]Wrapped, 2)) {
		require.ErrorIs(t, r.Err, keys.ErrClosed)
	}
}

type closer struct{ n int }

func (c *closer) Close() error { c.n++; return nil }

// TestNotMadeByNew: misuse is an error, not a panic.
func TestNotMadeByNew(t *testing.T) {
	for _, k := range []*KEK{nil, {}} {
		_, err := k.Wrap(t.Context(), nil, dataKey(), binding())
		require.ErrorContains(t, err, "not made by New")
		_, err = k.Unwrap(t.Context(), nil, make([]byte, 81), binding())
		require.ErrorContains(t, err, "not made by New")
	}
	_, err := New(t.Context(), nil, "transit", "pan", nil)
	require.Error(t, err)
}

// TestPrintsID: a KEK holds a client, and that a token.
func TestPrintsID(t *testing.T) {
	v := newBao(t)
	k := v.openWith(v.as(v.token(`path "*" { capabilities = ["read"] }`)), v.newKey(nil), nil)
	token := k.client.Token()
	require.NotEmpty(t, token)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{k, struct{ K *KEK }{k}, struct{ k *KEK }{k}} {
			require.NotContains(t, fmt.Sprintf(verb, value), token, verb)
		}
		require.Equal(t, k.ID(), fmt.Sprintf(verb, k), verb)
	}
}

// TestIDs: the same key has one ID under every address of the Vault, and is told
// apart by namespace, mount, name and cluster.
func TestIDs(t *testing.T) {
	for _, c := range []struct{ cluster, namespace, mount, name, want string }{
		{"", "", "transit", "pan", "vault:transit/keys/pan"},
		{"", "root", "/transit/", "pan", "vault:transit/keys/pan"},
		{"", "eu/shop/", "transit", "pan", "vault:eu/shop/transit/keys/pan"},
		{"eu-1", "shop", "a/b", "p.a-n_1", "vault:eu-1:shop/a/b/keys/p.a-n_1"},
	} {
		n, err := newKeyName(c.cluster, c.namespace, c.mount, c.name)
		require.NoError(t, err)
		require.Equal(t, c.want, n.id())
	}
}

func TestNamesRefused(t *testing.T) {
	long := string(make([]byte, 300))
	for _, c := range []struct{ field, cluster, namespace, mount, name string }{
		{"name", "", "", "transit", ""},
		{"name", "", "", "transit", "a/b"},
		{"name", "", "", "transit", ".."},
		{"name", "", "", "transit", "a?x=1"},
		{"name", "", "", "transit", "a%2f"},
		{"name", "", "", "transit", "-a"},
		{"name", "", "", "transit", "a b"},
		{"name", "", "", "transit", "á"},
		{"mount", "", "", "", "pan"},
		{"mount", "", "", "a//b", "pan"},
		{"mount", "", "", "../sys", "pan"},
		{"mount", "", "", "a:b", "pan"},
		{"namespace", "", "a/../b", "transit", "pan"},
		{"namespace", "", "a\nb", "transit", "pan"},
		{"cluster", "a/b", "", "transit", "pan"},
		{"cluster", "a:b", "", "transit", "pan"},
		{"name", "", "", "transit", "a" + fmt.Sprintf("%0260d", 1)},
		{"mount", "", "", long, "pan"},
	} {
		_, err := newKeyName(c.cluster, c.namespace, c.mount, c.name)
		var p *ParamError
		require.ErrorAs(t, err, &p, "%+v", c)
		require.Equal(t, c.field, p.Field)
	}
}

// FuzzNames: whatever passes stays within its path and makes a printable ID.
func FuzzNames(f *testing.F) {
	f.Add("eu", "ns", "transit", "pan")
	f.Add("", "a/b", "a/b", "..")
	f.Add("", "", "%2e%2e", "a#b")
	f.Fuzz(func(t *testing.T, cluster, namespace, mount, name string) {
		n, err := newKeyName(cluster, namespace, mount, name)
		if err != nil {
			return
		}
		require.Regexp(t, `^vault:([\w.-]+:)?[\w./-]+/keys/[\w.-]+$`, n.id())
		require.Equal(t, n.path("encrypt"), path.Clean(n.path("encrypt")))
		require.NotContains(t, "/"+n.path("encrypt")+"/", "/../")
	})
}

// TestNamespaces: a key of a namespace is reached there and nowhere else.
func TestNamespaces(t *testing.T) {
	v := newBao(t)
	ns := "ns-" + random()
	v.write("sys/namespaces/"+ns, nil)
	v.remove("sys/namespaces/" + ns)
	inside := v.client.WithNamespace(ns)
	require.NoError(t, inside.Sys().MountWithContext(t.Context(), v.mount, &api.MountInput{Type: "transit"}))
	_, err := inside.Logical().WriteWithContext(t.Context(), v.mount+"/keys/pan", map[string]any{"derived": true})
	require.NoError(t, err)

	k := v.openWith(inside, "pan", nil)
	require.Equal(t, "vault:"+ns+"/"+v.mount+"/keys/pan", k.ID())
	b, key := binding(), dataKey()
	wrapped, err := k.Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)
	_, err = New(t.Context(), v.client, v.mount, "pan", nil)
	require.ErrorIs(t, err, keys.ErrNotFound)

	// By its path from the root it is the same key under the same ID.
	same, err := New(t.Context(), v.client, ns+"/"+v.mount, "pan", nil)
	require.NoError(t, err)
	require.Equal(t, k.ID(), same.ID())
	got, err := same.Unwrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)
	require.Equal(t, key, got)
	// The client's later moves are not followed.
	inside.SetNamespace("elsewhere")
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)
}
