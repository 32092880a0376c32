package vaulttransit

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/hashicorp/vault/api"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// TestTriesOnce: the vendor's client would try three times; the manager does that.
func TestTriesOnce(t *testing.T) {
	f := newFake(t)
	client := f.client(t)
	require.Positive(t, client.MaxRetries())
	k, err := New(t.Context(), client, "transit", "pan", nil)
	require.NoError(t, err)
	require.Equal(t, []string{"GET /v1/transit/keys/pan"}, f.asked())
	for _, answer := range []http.HandlerFunc{
		says(500, `{"errors":["fault"]}`), says(503, `{"errors":["sealed"]}`), says(412, `{"errors":["behind"]}`),
		says(429, `{"errors":["quota"]}`), cutOff(`{`),
		func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		f.on("decrypt", answer)
		_, err := k.Unwrap(t.Context(), nil, wrappedAs(t, 3, dataKey(), binding()), binding())
		require.Error(t, err)
		require.Equal(t, []string{"PUT /v1/transit/decrypt/pan"}, f.asked())
	}
	require.Positive(t, client.MaxRetries(), "the caller's client is as it was")
	require.Equal(t, 60*time.Second, client.ClientTimeout())
}

// TestFollowsToken: the client's token of the moment is sent, whoever renewed it.
func TestFollowsToken(t *testing.T) {
	f := newFake(t)
	client := f.client(t)
	var token string
	f.on("decrypt", func(w http.ResponseWriter, r *http.Request) {
		token = r.Header.Get("X-Vault-Token")
		says(403, `{"errors":[]}`)(w, r)
	})
	k, err := New(t.Context(), client, "transit", "pan", nil)
	require.NoError(t, err)
	for _, next := range []string{"first", "second"} {
		client.SetToken(next)
		_, err = k.Unwrap(t.Context(), nil, wrappedAs(t, 3, dataKey(), binding()), binding())
		require.ErrorIs(t, err, keys.ErrDenied)
		require.Equal(t, next, token)
	}
}

// TestEnvironmentIsTheClients: variables that the vendor reads when a client is
// cloned change nothing.
func TestEnvironmentIsTheClients(t *testing.T) {
	f := newFake(t)
	client := f.client(t)
	for name, value := range map[string]string{
		"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "other", "VAULT_NAMESPACE": "other",
		"VAULT_WRAP_TTL": "60s", "VAULT_MAX_RETRIES": "7",
	} {
		t.Setenv(name, value)
	}
	f.on("keys", func(w http.ResponseWriter, r *http.Request) {
		for name, want := range map[string]string{
			"X-Vault-Token": "fake-token", "X-Vault-Namespace": "", "X-Vault-Wrap-Ttl": "", "X-Vault-Request": "true",
		} {
			if got := r.Header.Get(name); got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
		says(200, soundKey)(w, r)
	})
	k, err := New(t.Context(), client, "transit", "pan", nil)
	require.NoError(t, err)
	require.Equal(t, "vault:transit/keys/pan", k.ID())
}

// TestAddressSetLater: the vendor's clone goes back to the agent's address where
// another was set after the client was made.
func TestAddressSetLater(t *testing.T) {
	f := newFake(t)
	config := api.DefaultConfig()
	config.AgentAddress = "http://127.0.0.1:1"
	client, err := api.NewClient(config)
	require.NoError(t, err)
	client.SetToken("x")
	require.NoError(t, client.SetAddress(f.URL))
	_, err = New(t.Context(), client, "transit", "pan", nil)
	require.NoError(t, err)
}

// TestHungServer: a call ends with its context, within the suite's 50 ms.
func TestHungServer(t *testing.T) {
	f := newFake(t)
	k := f.open(t)
	arrived, release := make(chan struct{}), make(chan struct{})
	f.on("decrypt", func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		<-release
	})
	defer close(release)
	form := wrappedAs(t, 3, dataKey(), binding())
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, err := k.Unwrap(ctx, nil, form, binding())
	isKind(t, context.Canceled, err, "update transit/decrypt/pan")

	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	go func() { <-arrived }()
	_, err = k.Unwrap(ctx, nil, form, binding())
	isKind(t, context.DeadlineExceeded, err, "update transit/decrypt/pan")
}

// TestTimeLimitsOfTheClient: a limit of the HTTP client's or its dialler's own is
// no end of the caller's context, and worth another try.
func TestTimeLimitsOfTheClient(t *testing.T) {
	f := newFake(t)
	release := make(chan struct{})
	f.on("keys", func(http.ResponseWriter, *http.Request) { <-release })
	defer close(release)
	for _, limited := range []*http.Client{
		{Timeout: 20 * time.Millisecond, Transport: &http.Transport{}},
		{Transport: &http.Transport{DialContext: (&net.Dialer{Timeout: time.Nanosecond}).DialContext}},
	} {
		config := api.DefaultConfig()
		config.Address = f.URL
		config.HttpClient = limited
		client, err := api.NewClient(config)
		require.NoError(t, err)
		_, err = New(t.Context(), client, "transit", "pan", nil)
		isKind(t, keys.ErrUnavailable, err, "read transit/keys/pan")
	}
}

// TestStandbyRedirects: a standby sends to the active node, and the request goes
// there whole.
func TestStandbyRedirects(t *testing.T) {
	f := newFake(t)
	standby := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, f.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(standby.Close)
	b, key := binding(), dataKey()
	f.on("decrypt", says(200, reveals(key)))
	k, err := New(t.Context(), newClient(t, standby.URL, "x"), "transit", "pan", nil)
	require.NoError(t, err)
	got, err := k.Unwrap(t.Context(), nil, wrappedAs(t, 3, key, b), b)
	require.NoError(t, err)
	require.Equal(t, key, got)
}
