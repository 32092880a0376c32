package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// Every server can be killed and started again at its address, as tests of
// backends do.
func TestServersAreStartedAgain(t *testing.T) {
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			own := kmstest.StartOwn(t, name)
			first := own.Server
			s, err := lookUp(name)
			require.NoError(t, err)
			requireUnreachable(t, first.Addr())
			own.Stop()
			_, err = net.DialTimeout("tcp", first.Addr(), 5*time.Second)
			require.Error(t, err)
			own.Start()
			require.NotEqual(t, first.PID, own.PID)
			first.PID = own.PID
			require.Equal(t, first, own.Server)
			if name != kmstest.OpenBao && name != kmstest.Postgres { // ready wants their folder
				_, err = s.ready(t.Context(), "", own.Addr())
				require.NoError(t, err)
			}
		})
	}
}

// requireUnreachable: the server listens on loopback alone.
func requireUnreachable(t *testing.T, addr string) {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	addrs, err := net.InterfaceAddrs()
	require.NoError(t, err)
	for _, a := range addrs {
		ip, _, err := net.ParseCIDR(a.String())
		require.NoError(t, err)
		if ip.IsLoopback() || ip.To4() == nil {
			continue
		}
		_, err = net.DialTimeout("tcp", net.JoinHostPort(ip.String(), port), 5*time.Second)
		require.Error(t, err, "%s", ip)
	}
}

func TestOpenBaoKeepsItsKeys(t *testing.T) {
	own := kmstest.StartOwn(t, kmstest.OpenBao)
	call := func(method, path string, in, out any) {
		t.Helper()
		require.NoError(t, callBao(t.Context(), method, own.Addr(), path, own.Token, in, out))
	}
	call(http.MethodPost, "transit/keys/k", map[string]bool{"derived": true}, nil)
	var sealed struct{ Data struct{ Ciphertext string } }
	call(http.MethodPost, "transit/encrypt/k", map[string]string{"plaintext": "cGxhaW4=", "context": "Yw=="}, &sealed)
	require.Contains(t, sealed.Data.Ciphertext, "vault:v1:")
	own.Stop()
	own.Start()
	var opened struct{ Data struct{ Plaintext string } }
	call(http.MethodPost, "transit/decrypt/k", map[string]string{"ciphertext": sealed.Data.Ciphertext, "context": "Yw=="}, &opened)
	require.Equal(t, "cGxhaW4=", opened.Data.Plaintext)

	call(http.MethodPut, "sys/seal", nil, nil) // only a restart unseals again
	require.ErrorContains(t, callBao(t.Context(), http.MethodGet, own.Addr(), "sys/mounts", own.Token, nil, nil), "503")
}

func TestOpenBaoServesTLSOfItsOwnAuthority(t *testing.T) {
	s := kmstest.Need(t, kmstest.OpenBao)
	ca, err := os.ReadFile(s.CAFile)
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(ca))
	get := func(pool *x509.CertPool) (int, error) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.TLSURL+"/v1/sys/health", nil)
		require.NoError(t, err)
		c := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, DisableKeepAlives: true}}
		res, err := c.Do(r)
		if err != nil {
			return 0, err
		}
		return res.StatusCode, res.Body.Close()
	}
	code, err := get(pool)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, code)
	_, err = get(x509.NewCertPool())
	require.Error(t, err)
}
