package open

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmskeytest"
	"github.com/cardseal/cardseal/keys"
)

func TestVaultToken(t *testing.T) {
	key, bao := kmskeytest.Vault(t)
	key.Use(t)
	// The address is the URI's, whatever else is set.
	t.Setenv("VAULT_ADDR", "http://127.0.0.1:1")
	t.Setenv("VAULT_AGENT_ADDR", "http://127.0.0.1:1")
	k := opened(t, key.URI, nil)
	require.Equal(t, key.ID, k.ID())
	require.Equal(t, []string{"Generator", "Rewrapper", "Versioned", "Checker"}, optional(k))
	serves(t, k)
	closes(t, k)
	require.Equal(t, "vault:eu:"+bao.Mount+"/keys/cards", opened(t, key.URI+"?cluster=eu", nil).ID())

	_, err := URI(t.Context(), key.Missing, nil)
	require.ErrorIs(t, err, keys.ErrNotFound)

	// A token without Vault's default policy may not look itself up.
	t.Setenv("VAULT_TOKEN", bao.Token(bao.Policy(bao.Grants()), true))
	serves(t, opened(t, key.URI+"?auth=token", nil))

	t.Setenv("VAULT_TOKEN", secret)
	_, err = URI(t.Context(), key.URI, nil)
	require.ErrorIs(t, err, keys.ErrDenied)
	require.NotContains(t, err.Error(), secret)
}

func TestVaultAppRole(t *testing.T) {
	key, bao := kmskeytest.Vault(t)
	key.Use(t)
	mount := "approle-" + filepath.Base(bao.Mount)
	require.NoError(t, bao.Client.Sys().EnableAuthWithOptionsWithContext(t.Context(), mount, &api.EnableAuthOptions{Type: "approle"}))
	role := "auth/" + mount + "/role/vault"
	bao.Write(role, map[string]any{"token_policies": bao.Policy(bao.Grants())})
	bao.Write(role+"/role-id", map[string]any{"role_id": "card-vault"})
	secretID := bao.Write(role+"/secret-id", nil).Data["secret_id"].(string)
	file := filepath.Join(t.TempDir(), "secret-id")
	require.NoError(t, os.WriteFile(file, []byte(secretID+"\n"), 0o600))

	uri := key.URI + "?auth=approle&role-id=card-vault&secret-id-file=" + file + "&auth-mount=" + mount
	t.Setenv("VAULT_TOKEN", secret) // is not who logs in
	k := opened(t, uri, nil)
	serves(t, k)
	closes(t, k)

	for _, wrong := range []string{strings.Replace(uri, "card-vault", "other", 1), strings.Replace(uri, file, file+"2", 1)} {
		_, err := URI(t.Context(), wrong, nil)
		require.ErrorIs(t, err, keys.ErrDenied, wrong)
		require.NotContains(t, err.Error(), secretID)
	}
}

// A pod logs in with its role and the token in its file; the rest is Vault's.
func TestVaultKubernetes(t *testing.T) {
	kmskeytest.Bare(t)
	var logins atomic.Int32
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/v1/auth/pods/login":
			var said map[string]string
			if json.NewDecoder(r.Body).Decode(&said) == nil && said["role"] == "card-vault" && said["jwt"] == "header.claims.signature" {
				logins.Add(1)
				_, _ = w.Write([]byte(`{"auth":{"client_token":"given","renewable":true,"lease_duration":3600}}`))
				return
			}
		case r.URL.Path == "/v1/transit/keys/cards" && r.Header.Get("X-Vault-Token") == "given" && r.Header.Get("X-Vault-Namespace") == "team-a":
			_, _ = w.Write([]byte(`{"data":{"type":"aes256-gcm96","derived":true,"latest_version":1,"min_decryption_version":1}}`))
			return
		}
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"errors":["permission denied"]}`))
	}))
	t.Cleanup(server.Close)
	dir := t.TempDir()
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	require.NoError(t, os.WriteFile(dir+"/ca", ca, 0o600))
	require.NoError(t, os.WriteFile(dir+"/jwt", []byte("header.claims.signature"), 0o600))
	base := "hcvault://" + server.Listener.Addr().String() + "/transit/keys/cards?namespace=team-a&auth=kubernetes&jwt-file=" + dir + "/jwt&auth-mount=pods"

	_, err := URI(t.Context(), base+"&role=card-vault", nil)
	require.ErrorIs(t, err, keys.ErrUnavailable, "an unknown authority")
	t.Setenv("VAULT_CACERT", dir+"/ca")
	k := opened(t, base+"&role=card-vault", nil)
	require.Equal(t, "vault:team-a/transit/keys/cards", k.ID())
	require.Equal(t, int32(1), logins.Load())
	haveSessions(t, 1)
	require.NoError(t, k.Close())
	haveSessions(t, 0)
	_, err = URI(t.Context(), strings.Replace(base, "keys/cards", "keys/other", 1)+"&role=card-vault", nil)
	require.ErrorIs(t, err, keys.ErrDenied)
	require.Greater(t, logins.Load(), int32(1))
	haveSessions(t, 0) // a login does not outlive the KEK that was not opened
	_, err = URI(t.Context(), base+"&role=other", nil)
	require.ErrorIs(t, err, keys.ErrDenied)
}

// haveSessions waits until so many logins are kept alive: a goroutine is seen when it
// has had its first turn, and until its last, which may be after what waits for it.
func haveSessions(t *testing.T, want int) {
	t.Helper()
	stacks := make([]byte, 1<<20)
	require.Eventually(t, func() bool {
		return strings.Count(string(stacks[:runtime.Stack(stacks, true)]), "vaulttransit.(*Session).keep(") == want
	}, time.Minute, time.Millisecond)
}

func TestVaultEnvironment(t *testing.T) {
	for name, c := range map[string]struct{ variable, value, says string }{
		"no token":          {"VAULT_TOKEN", "", "VAULT_TOKEN is not set"},
		"no verification":   {"VAULT_SKIP_VERIFY", "true", "VAULT_SKIP_VERIFY is set"},
		"no bool":           {"VAULT_SKIP_VERIFY", secret, "cannot be used"},
		"no certificate":    {"VAULT_CACERT", "/none/" + secret, "cannot be used"},
		"headers":           {"VAULT_HEADERS", `{"X-Vault-Token":"` + secret + `"}`, "cannot be used"},
		"headers, not JSON": {"VAULT_HEADERS", secret, "cannot be used"},
	} {
		t.Run(name, func(t *testing.T) {
			kmskeytest.Bare(t)
			t.Setenv("VAULT_TOKEN", "t")
			t.Setenv(c.variable, c.value)
			_, err := URI(t.Context(), "hcvault://127.0.0.1:1/transit/keys/k", nil)
			require.ErrorIs(t, err, ErrConfig)
			require.ErrorContains(t, err, c.says)
			require.NotContains(t, err.Error(), secret)
		})
	}
}

// A client of the caller's is taken as it is, and a URI that means another one is
// refused.
func TestVaultClient(t *testing.T) {
	key, bao := kmskeytest.Vault(t)
	kmskeytest.Bare(t)
	_, host, _ := strings.Cut(bao.Server.URL, "://")
	base := "hcvault://" + host + "/" + bao.Mount + "/keys/cards"
	o := &Options{Vault: bao.Client}
	k := opened(t, base, o)
	serves(t, k)
	closes(t, k)
	serves(t, opened(t, base, o)) // the client is still logged in
	for field, uri := range map[string]string{
		"host": key.URI, "auth": base + "?auth=token", "namespace": base + "?namespace=a",
	} {
		_, err := URI(t.Context(), uri, o)
		var e *URIError
		require.ErrorAs(t, err, &e, uri)
		require.Equal(t, field, e.Field)
	}
}
