package awskms

import (
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

// TestFaults: the emulators close the connection after each answer. KMS keeps it,
// so a proxy that does stands before them: else a fault would fall on each of the
// connections that one call of a KEK makes.
func TestFaults(t *testing.T) {
	eachEmulator(t, func(t *testing.T, e emulator) {
		arn := e.newKey(t, nil)
		to, err := url.Parse(e.url)
		require.NoError(t, err)
		keeps := httptest.NewServer(httputil.NewSingleHostReverseProxy(to))
		t.Cleanup(keeps.Close)
		keystest.RunKEKFaults(t, keystest.Faults{
			Server: keeps.Listener.Addr().String(), Flips: 32,
			Open: func(t *testing.T, addr string) keys.KEK {
				return emulator{e.name, "http://" + addr}.open(t, arn)
			},
		})
	})
}

// TestFaultsFake needs no server.
func TestFaultsFake(t *testing.T) {
	f := newFake(t)
	arn := f.key(region, keyID)
	keystest.RunKEKFaults(t, keystest.Faults{
		Server: f.Listener.Addr().String(), Flips: 32,
		Open: func(t *testing.T, addr string) keys.KEK {
			return open(t, config("http://"+addr, region), arn, nil)
		},
	})
}
