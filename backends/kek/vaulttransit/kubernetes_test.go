package vaulttransit

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// cluster is what Vault asks of Kubernetes: whether a service account's token is
// good. It knows one token at a time.
type cluster struct {
	*httptest.Server
	good    atomic.Pointer[string]
	reviews atomic.Int64
}

func newCluster(t *testing.T) *cluster {
	c := new(cluster)
	c.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var asked struct {
			Spec struct{ Token string } `json:"spec"`
		}
		if r.URL.Path != "/apis/authentication.k8s.io/v1/tokenreviews" || json.NewDecoder(r.Body).Decode(&asked) != nil {
			http.NotFound(w, r)
			return
		}
		c.reviews.Add(1)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusCreated)
		fmt.Fprintf(w, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","status":{"authenticated":%t,"audiences":["vault"],
			"user":{"username":"system:serviceaccount:shop:vault","uid":"uid-1","groups":["system:serviceaccounts","system:serviceaccounts:shop"]}}}`,
			asked.Spec.Token == *c.good.Load())
	}))
	t.Cleanup(c.Close)
	return c
}

// jwt is a service account's token; n tells one from the next.
func jwt(n int) string {
	part := func(v any) string {
		text, _ := json.Marshal(v)
		return base64.RawURLEncoding.EncodeToString(text)
	}
	return part(map[string]any{"alg": "RS256", "kid": "k"}) + "." + part(map[string]any{
		"iss": "https://kubernetes.default.svc", "sub": "system:serviceaccount:shop:vault", "aud": []string{"vault"},
		"exp": 4_000_000_000, "iat": 1_700_000_000 + n, "nbf": 1_700_000_000,
		"kubernetes.io": map[string]any{
			"namespace": "shop", "serviceaccount": map[string]any{"name": "vault", "uid": "uid-1"},
		},
	}) + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256))
}

// TestKubernetes: a pod's login, and the next one with the token that Kubernetes
// has put in the place of the first.
func TestKubernetes(t *testing.T) {
	v := newBao(t)
	c := newCluster(t)
	name := v.newKey(nil)
	mount := v.enableAuth("kubernetes")
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate().Raw})
	v.write("auth/"+mount+"/config", map[string]any{
		"kubernetes_host": c.URL, "kubernetes_ca_cert": string(ca), "token_reviewer_jwt": jwt(0), "disable_local_ca_jwt": true,
	})
	v.write("auth/"+mount+"/role/shop", map[string]any{
		"bound_service_account_names": "vault", "bound_service_account_namespaces": "shop",
		"audience": "vault", "token_policies": v.policy(v.allow(name)), "token_ttl": "1h",
	})

	file := filepath.Join(t.TempDir(), "token")
	mounted := func(n int) {
		token := jwt(n)
		c.good.Store(&token)
		require.NoError(t, os.WriteFile(file, []byte(token), 0o600))
	}
	mounted(1)
	client := v.as("")
	s, e := start(t, client, Kubernetes("shop", mount, file))
	k := v.openWith(client, name, &Options{Closer: s})
	b, key := binding(), dataKey()
	wrapped, err := k.Wrap(t.Context(), nil, key, b)
	require.NoError(t, err)

	mounted(2)
	require.NoError(t, v.client.Auth().Token().RevokeTreeWithContext(t.Context(), client.Token()))
	_, err = k.Unwrap(t.Context(), nil, wrapped, b)
	require.ErrorIs(t, err, keys.ErrUnavailable)
	e.next(t, loggedIn)
	got, err := k.Unwrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)
	require.Equal(t, key, got)
	require.EqualValues(t, 2, c.reviews.Load())

	// A token that Kubernetes does not know, another role, and no token at all.
	other := jwt(3)
	c.good.Store(&other)
	_, err = Login(t.Context(), v.as(""), Kubernetes("shop", mount, file))
	require.ErrorIs(t, err, keys.ErrDenied)
	_, err = Login(t.Context(), v.as(""), Kubernetes("none", mount, file))
	require.ErrorIs(t, err, keys.ErrDenied)
	_, err = Login(t.Context(), v.as(""), Kubernetes("shop", "", file+"x"))
	require.ErrorIs(t, err, keys.ErrDenied)
	require.ErrorIs(t, err, os.ErrNotExist)
	_, err = Login(t.Context(), v.as(""), Kubernetes("", "", file))
	require.ErrorIs(t, err, keys.ErrDenied)
}
