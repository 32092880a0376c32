package vaulttransit

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/keys"
)

// bao is an administrator of a Transit engine of one test's own.
type bao struct {
	t      testing.TB
	client *api.Client
	mount  string
}

func newBao(t testing.TB) *bao {
	return baoAt(t, kmstest.Need(t, kmstest.OpenBao))
}

func baoAt(t testing.TB, s kmstest.Server) *bao {
	v := &bao{t: t, client: newClient(t, s.URL, s.Token), mount: "vt-" + random()}
	require.NoError(t, v.client.Sys().MountWithContext(t.Context(), v.mount, &api.MountInput{Type: "transit"}))
	v.remove("sys/mounts/" + v.mount)
	return v
}

// remove deletes what the test made when it ends, so that a server which stays
// does not fill up.
func (v *bao) remove(path string) {
	v.t.Cleanup(func() {
		_, err := v.client.Logical().DeleteWithContext(context.WithoutCancel(v.t.Context()), path)
		require.NoError(v.t, err)
	})
}

// policy puts a policy under a name of its own.
func (v *bao) policy(rules string) string {
	v.t.Helper()
	name := "vt-" + random()
	v.setPolicy(name, rules)
	v.remove("sys/policies/acl/" + name)
	return name
}

func (v *bao) setPolicy(name, rules string) {
	v.t.Helper()
	require.NoError(v.t, v.client.Sys().PutPolicyWithContext(v.t.Context(), name, rules))
}

// holder makes a token that may do what a policy says and nothing else.
func (v *bao) holder(policy string) string {
	v.t.Helper()
	s, err := v.client.Auth().Token().CreateWithContext(v.t.Context(), &api.TokenCreateRequest{Policies: []string{policy}, TTL: "10m"})
	require.NoError(v.t, err)
	return s.Auth.ClientToken
}

// enableAuth mounts an auth method.
func (v *bao) enableAuth(kind string) string {
	v.t.Helper()
	mount := kind + "-" + random()
	require.NoError(v.t, v.client.Sys().EnableAuthWithOptionsWithContext(v.t.Context(), mount, &api.EnableAuthOptions{Type: kind}))
	v.remove("sys/auth/" + mount)
	return mount
}

func random() string {
	b := make([]byte, 6)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// newClient is a client with the vendor's defaults, its retries included.
func newClient(t testing.TB, url, token string) *api.Client {
	config := api.DefaultConfig()
	require.NoError(t, config.Error)
	config.Address = url
	client, err := api.NewClient(config)
	require.NoError(t, err)
	client.SetToken(token)
	client.ClearNamespace()
	return client
}

func (v *bao) write(path string, data map[string]any) *api.Secret {
	v.t.Helper()
	s, err := v.client.Logical().WriteWithContext(v.t.Context(), path, data)
	require.NoError(v.t, err)
	return s
}

func (v *bao) path(operation, name string) string { return v.mount + "/" + operation + "/" + name }

// newKey makes a key; nil settings make one that serves.
func (v *bao) newKey(settings map[string]any) string {
	v.t.Helper()
	if settings == nil {
		settings = map[string]any{"derived": true}
	}
	name := "k-" + random()
	v.write(v.path("keys", name), settings)
	return name
}

func (v *bao) configure(name string, settings map[string]any) {
	v.t.Helper()
	v.write(v.path("keys", name)+"/config", settings)
}

func (v *bao) rotate(name string) {
	v.t.Helper()
	v.write(v.path("keys", name)+"/rotate", nil)
}

func (v *bao) delete(name string) {
	v.t.Helper()
	v.configure(name, map[string]any{"deletion_allowed": true})
	_, err := v.client.Logical().DeleteWithContext(v.t.Context(), v.path("keys", name))
	require.NoError(v.t, err)
}

// exists reports whether the engine has a key of that name.
func (v *bao) exists(name string) bool {
	s, err := v.client.Logical().ReadWithContext(v.t.Context(), v.path("keys", name))
	require.NoError(v.t, err)
	return s != nil
}

func (v *bao) open(name string) *KEK { return v.openWith(v.client, name, nil) }

func (v *bao) openWith(client *api.Client, name string, o *Options) *KEK {
	v.t.Helper()
	k, err := New(v.t.Context(), client, v.mount, name, o)
	require.NoError(v.t, err)
	v.t.Cleanup(func() { require.NoError(v.t, k.Close()) })
	return k
}

// token makes a token that may do what the rules say and nothing else.
func (v *bao) token(rules string) string { return v.holder(v.policy(rules)) }

// as is a client of the same server under another token.
func (v *bao) as(token string) *api.Client { return newClient(v.t, v.client.Address(), token) }

// allow is the policy of the package's doc for one key, but for the operations
// named.
func (v *bao) allow(name string, without ...string) string {
	rules := ""
	for _, operation := range []string{"keys", "datakey/plaintext", "encrypt", "decrypt", "rewrap"} {
		capability := "update"
		if operation == "keys" {
			capability = "read"
		}
		for _, w := range without {
			if w == operation {
				capability = "deny"
			}
		}
		rules += `path "` + v.path(operation, name) + `" { capabilities = ["` + capability + `"] }` + "\n"
	}
	return rules
}

func binding() keys.Binding {
	b := keys.Binding{Environment: "production", Scope: "shop-eu", Purpose: keys.PAN, Created: time.Unix(1_700_000_000, 0)}
	rand.Read(b.KeyID[:])
	return b
}

func dataKey() []byte {
	k := make([]byte, keys.DataKeySize)
	rand.Read(k)
	return k
}
