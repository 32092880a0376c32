package kmskeytest

import (
	"fmt"
	"net/url"
	"testing"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// Bao is an administrator of OpenBao with a Transit engine of one test's own.
type Bao struct {
	t      testing.TB
	Server kmstest.Server
	Client *api.Client
	Mount  string
	Name   string // of the key
}

// Vault makes a key in OpenBao, over TLS. No key of Transit's can be disabled, so
// Disable and Enable are nil.
func Vault(t testing.TB) (*Key, *Bao) {
	t.Helper()
	b := &Bao{t: t, Server: kmstest.Need(t, kmstest.OpenBao), Mount: "kek/m-" + random(), Name: "cards"}
	conf := api.DefaultConfig()
	conf.Address = b.Server.URL
	var err error
	b.Client, err = api.NewClient(conf)
	require.NoError(t, err)
	b.Client.SetToken(b.Server.Token)
	b.Client.ClearNamespace()
	require.NoError(t, b.Client.Sys().MountWithContext(t.Context(), b.Mount, &api.MountInput{Type: "transit"}))
	b.Write(b.Mount+"/keys/"+b.Name, map[string]any{"derived": true})
	tls, err := url.Parse(b.Server.TLSURL)
	require.NoError(t, err)
	base := "hcvault://" + tls.Host + "/" + b.Mount + "/keys/"
	return &Key{
		URI: base + b.Name, ID: "vault:" + b.Mount + "/keys/" + b.Name, Missing: base + "none",
		Env:    map[string]string{"VAULT_TOKEN": b.Server.Token, "VAULT_CACERT": b.Server.CAFile},
		Rotate: func() { b.Write(b.Mount+"/keys/"+b.Name+"/rotate", nil) },
	}, b
}

// Write writes to a path and returns what comes back.
func (b *Bao) Write(path string, data map[string]any) *api.Secret {
	b.t.Helper()
	s, err := b.Client.Logical().WriteWithContext(b.t.Context(), path, data)
	require.NoError(b.t, err)
	return s
}

// Policy makes a policy that grants capabilities on paths below the mount.
func (b *Bao) Policy(grants map[string]string) string {
	b.t.Helper()
	text := ""
	for path, capability := range grants {
		text += fmt.Sprintf("path %q { capabilities = [%q] }\n", b.Mount+"/"+path, capability)
	}
	name := "kek-" + random()
	require.NoError(b.t, b.Client.Sys().PutPolicyWithContext(b.t.Context(), name, text))
	return name
}

// Grants are what a vault needs of the key.
func (b *Bao) Grants() map[string]string {
	return map[string]string{
		"keys/" + b.Name: "read", "datakey/plaintext/" + b.Name: "update", "encrypt/" + b.Name: "update",
		"decrypt/" + b.Name: "update", "rewrap/" + b.Name: "update",
	}
}

// Token makes a token with one policy and, unless bare, Vault's default one.
func (b *Bao) Token(policy string, bare bool) string {
	b.t.Helper()
	s, err := b.Client.Auth().Token().CreateWithContext(b.t.Context(), &api.TokenCreateRequest{
		Policies: []string{policy}, NoDefaultPolicy: bare, TTL: "10m",
	})
	require.NoError(b.t, err)
	return s.Auth.ClientToken
}
