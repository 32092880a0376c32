package open

import (
	"context"
	"crypto/rand"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/internal/kmskeytest"
	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/keys"
)

// opened opens a URI that must open, and closes it in the end.
func opened(t *testing.T, uri string, o *Options) KEK {
	t.Helper()
	k, err := URI(t.Context(), uri, o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// serves has a KEK wrap a data key and give it back.
func serves(t *testing.T, k KEK) {
	t.Helper()
	b := keys.Binding{Environment: "production", Purpose: keys.PAN, Created: time.Now()}
	dataKey := make([]byte, keys.DataKeySize)
	rand.Read(dataKey)
	wrapped, err := k.Wrap(t.Context(), nil, dataKey, b)
	require.NoError(t, err)
	got, err := k.Unwrap(t.Context(), nil, wrapped, b)
	require.NoError(t, err)
	require.Equal(t, dataKey, got)
}

// closes sees that nothing works once a KEK is closed.
func closes(t *testing.T, k KEK) {
	t.Helper()
	require.NoError(t, k.Close())
	_, err := k.Wrap(t.Context(), nil, make([]byte, keys.DataKeySize), keys.Binding{Environment: "e", Purpose: keys.PAN, Created: time.Now()})
	require.ErrorIs(t, err, keys.ErrClosed)
}

// optional names the optional interfaces that a KEK has.
func optional(k KEK) (names []string) {
	if _, ok := k.(keys.Generator); ok {
		names = append(names, "Generator")
	}
	if _, ok := k.(keys.Rewrapper); ok {
		names = append(names, "Rewrapper")
	}
	if _, ok := k.(keys.Versioned); ok {
		names = append(names, "Versioned")
	}
	if _, ok := k.(keys.Checker); ok {
		names = append(names, "Checker")
	}
	if _, ok := k.(keys.Development); ok {
		names = append(names, "Development")
	}
	return names
}

func TestLocal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, local.CreateKeyFile(path))
	k := opened(t, "local://"+path, nil)
	require.Equal(t, []string{"Checker", "Development"}, optional(k))
	serves(t, k)
	closes(t, k)
	_, err := URI(t.Context(), "local://"+path+"-2", nil)
	require.ErrorContains(t, err, "no such file")

	path += ".json"
	require.NoError(t, local.CreatePassphraseFile(path, []byte("correct horse"), &local.Params{Time: 1, MemoryKiB: 64, Threads: 1}))
	serves(t, opened(t, "local://"+path, &Options{Passphrase: func() ([]byte, error) { return []byte("correct horse"), nil }}))
	_, err = URI(t.Context(), "local://"+path, nil)
	require.ErrorIs(t, err, local.ErrNoPassphrase)
}

func TestGoogle(t *testing.T) {
	key := kmskeytest.Google(t)
	kmskeytest.Bare(t)
	o := &Options{Google: kmskeytest.GoogleOptions(key.Env["CARDSEAL_GCP_KMS_ENDPOINT"])}
	k := opened(t, key.URI, o)
	require.Equal(t, key.ID, k.ID())
	require.Equal(t, []string{"Versioned", "Checker"}, optional(k))
	serves(t, k)
	closes(t, k)
	require.ErrorIs(t, opened(t, key.Missing, o).(keys.Checker).Check(t.Context()), keys.ErrNotFound)
}

// Close ends the connection that the KEK's client made.
func TestGoogleCloses(t *testing.T) {
	key := kmskeytest.Google(t)
	kmskeytest.Bare(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	var open atomic.Bool
	ended := make(chan struct{})
	go func() { // between client and server
		defer close(ended)
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", key.Env["CARDSEAL_GCP_KMS_ENDPOINT"])
		if err != nil {
			return
		}
		defer server.Close()
		open.Store(true)
		go func() { _, _ = io.Copy(client, server) }()
		_, _ = io.Copy(server, client)
		open.Store(false)
	}()
	k := opened(t, key.URI, &Options{Google: kmskeytest.GoogleOptions(l.Addr().String())})
	serves(t, k)
	require.True(t, open.Load())
	require.NoError(t, k.Close())
	<-ended
}

// What the backend finds wrong with a name is a URIError too, and the client that
// was made for it does not stay open.
func TestGoogleNameThatTheBackendRefuses(t *testing.T) {
	kmskeytest.Bare(t)
	o := &Options{Google: kmskeytest.GoogleOptions("127.0.0.1:1")}
	_, err := URI(t.Context(), "gcp-kms://projects/12345678/locations/global/keyRings/r/cryptoKeys/k", o)
	var e *URIError
	require.ErrorAs(t, err, &e)
	require.Equal(t, "project", e.Field)
}

func TestGoogleWithoutCredentials(t *testing.T) {
	kmskeytest.Bare(t)
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "none.json"))
	_, err := URI(t.Context(), "gcp-kms://projects/my-project/locations/global/keyRings/r/cryptoKeys/k", nil)
	require.ErrorIs(t, err, ErrConfig)
}

func TestAWS(t *testing.T) {
	for _, server := range []string{kmstest.LocalStack, kmstest.Moto} {
		t.Run(server, func(t *testing.T) {
			key := kmskeytest.AWS(t, server)
			key.Use(t)
			t.Setenv("AWS_REGION", "us-west-2") // gives way to the ARN's
			k := opened(t, key.URI, nil)
			require.Equal(t, key.ID, k.ID())
			require.Equal(t, []string{"Generator", "Rewrapper", "Checker"}, optional(k))
			serves(t, k)
			closes(t, k)

			require.Equal(t, key.ID, opened(t, kmskeytest.AWSAlias(t, key), nil).ID())
			_, err := URI(t.Context(), key.Missing, nil)
			require.ErrorIs(t, err, keys.ErrNotFound)
			key.Disable()
			_, err = URI(t.Context(), key.URI, nil)
			require.ErrorIs(t, err, keys.ErrDisabled)
		})
	}
}

func TestAWSWithoutCredentials(t *testing.T) {
	kmskeytest.Bare(t)
	_, err := URI(t.Context(), "aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards", nil)
	require.ErrorIs(t, err, keys.ErrDenied)
}

// What is of the form of an ARN, and yet none of the backend's, is a URIError too.
func TestAWSNameThatTheBackendRefuses(t *testing.T) {
	kmskeytest.Bare(t)
	for _, arn := range []string{
		"arn:aws:kms:1-region:111122223333:alias/cards",
		"arn:aws:kms:eu-central-1:111122223333:key/" + strings.Repeat("a", 256),
	} {
		_, err := URI(t.Context(), "aws-kms://"+arn, nil)
		var e *URIError
		require.ErrorAs(t, err, &e)
	}
}

// Data keys go over TLS, or stay on this machine.
func TestAWSEndpointInClear(t *testing.T) {
	for endpoint, ok := range map[string]bool{
		"http://kms.example.com": false, "http://10.0.0.1:8080": false, "ftp://localhost": true,
		"http://localhost.example.com": false, "https://kms.example.com": true,
		"http://127.0.0.1:1": true, "http://[::1]:1": true, "http://localhost:1": true,
	} {
		kmskeytest.Bare(t)
		t.Setenv("AWS_ENDPOINT_URL_KMS", endpoint)
		t.Setenv("AWS_ACCESS_KEY_ID", "") // so that nothing is sent
		_, err := URI(t.Context(), "aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards", nil)
		require.Error(t, err)
		if ok {
			require.NotErrorIs(t, err, ErrConfig, endpoint)
		} else {
			require.ErrorIs(t, err, ErrConfig, endpoint)
			require.ErrorContains(t, err, "no TLS")
		}
	}
}

// A context that has ended comes back as such, from every scheme that calls.
func TestCancelled(t *testing.T) {
	kmskeytest.Bare(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	t.Setenv("VAULT_TOKEN", "t")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, uri := range []string{
		"aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards", "hcvault://127.0.0.1:1/transit/keys/k",
	} {
		_, err := URI(ctx, uri, nil)
		require.ErrorIs(t, err, context.Canceled, uri)
	}
}
