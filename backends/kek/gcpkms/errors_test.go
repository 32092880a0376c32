package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	return ctx, cancel
}

// calls are the three calls to the KMS, each by itself.
func (k *KEK) calls(ctx context.Context, form []byte) map[string]func() ([]byte, error) {
	return map[string]func() ([]byte, error){
		callEncrypt: func() ([]byte, error) { return k.Wrap(ctx, nil, testKey, testBinding) },
		callDecrypt: func() ([]byte, error) { return k.Unwrap(ctx, nil, form, testBinding) },
		callGet:     func() ([]byte, error) { return nil, k.look(ctx) },
	}
}

// Every code that a gRPC server can send, by every call, lands in one kind, after
// one call.
func TestCodes(t *testing.T) {
	kinds := map[codes.Code]error{
		codes.Canceled:           keys.ErrUnavailable,
		codes.Unknown:            keys.ErrUnavailable,
		codes.InvalidArgument:    keys.ErrDenied, // but for Decrypt
		codes.DeadlineExceeded:   keys.ErrUnavailable,
		codes.NotFound:           keys.ErrNotFound,
		codes.AlreadyExists:      keys.ErrDenied,
		codes.PermissionDenied:   keys.ErrDenied,
		codes.ResourceExhausted:  keys.ErrThrottled,
		codes.FailedPrecondition: keys.ErrDisabled,
		codes.Aborted:            keys.ErrUnavailable,
		codes.OutOfRange:         keys.ErrDenied,
		codes.Unimplemented:      keys.ErrDenied,
		codes.Internal:           keys.ErrUnavailable,
		codes.Unavailable:        keys.ErrUnavailable,
		codes.DataLoss:           keys.ErrUnavailable,
		codes.Unauthenticated:    keys.ErrDenied,
		17:                       keys.ErrDenied, // none of today's
	}
	f := &fake{}
	k := f.serve(t)
	form, err := k.Wrap(t.Context(), nil, testKey, testBinding)
	require.NoError(t, err)
	for code := codes.Code(1); code <= 17; code++ {
		f.before = func(context.Context) error { return status.Error(code, "the vendor's words") }
		for name, call := range k.calls(t.Context(), form) {
			f.calls.Store(0)
			got, err := call()
			want := kinds[code]
			if code == codes.InvalidArgument && name == callDecrypt {
				want = keys.ErrCorrupt
			}
			require.Nil(t, got)
			var failed *keys.CallError
			require.ErrorAs(t, err, &failed)
			require.Equal(t, want, failed.Kind, "%v %s", code, name)
			require.Equal(t, name, failed.Call)
			require.Contains(t, err.Error(), "the vendor's words")
			require.Equal(t, code, status.Code(failed.Err))
			require.Equal(t, int64(1), f.calls.Load(), "%v %s: tried again", code, name)
		}
	}
}

// A retry policy that the client was told of elsewhere is not followed.
func TestNoRetryPolicy(t *testing.T) {
	f := &fake{before: func(context.Context) error { return status.Error(codes.Unavailable, "later") }}
	k := f.serve(t, grpc.WithDefaultServiceConfig(`{"methodConfig": [{"name": [{}], "retryPolicy": {
		"maxAttempts": 4, "initialBackoff": "0.001s", "maxBackoff": "0.001s", "backoffMultiplier": 1,
		"retryableStatusCodes": ["UNAVAILABLE"]}}]}`))
	_, err := k.Wrap(t.Context(), nil, testKey, testBinding)
	require.ErrorIs(t, err, keys.ErrUnavailable)
	require.Equal(t, int64(1), f.calls.Load())
}

// An answer longer than any of Google's is a fault, not a quota.
func TestAnswerTooLong(t *testing.T) {
	f := &fake{encryptAnswer: func(_ int64, r *kmspb.EncryptResponse) { r.Ciphertext = make([]byte, 2<<20) }}
	k := f.serve(t)
	_, err := k.Wrap(t.Context(), nil, testKey, testBinding)
	require.ErrorIs(t, err, keys.ErrUnavailable)
	require.Equal(t, codes.ResourceExhausted, vendors(t, err))
}

// vendors is the code of the vendor's error within ours.
func vendors(t *testing.T, err error) codes.Code {
	t.Helper()
	var failed *keys.CallError
	require.ErrorAs(t, err, &failed)
	return status.Code(failed.Err)
}

// What answers is no gRPC server, or its headers were spoilt: gRPC's error quotes
// the body, in which the data key is.
func TestErrorsQuoteNoAnswer(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	secret := "a data key of thirty-two bytes.."
	s := &http.Server{
		Protocols: new(http.Protocols),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "abplication/grpc")
			_, _ = w.Write([]byte(secret))
		}),
	}
	s.Protocols.SetUnencryptedHTTP2(true)
	done := make(chan error, 1)
	go func() { done <- s.Serve(lis) }()
	t.Cleanup(func() {
		_ = s.Close()
		require.ErrorIs(t, <-done, http.ErrServerClosed)
	})
	k, err := New(dial(t, lis.Addr().String()), testName, nil)
	require.NoError(t, err)
	for name, call := range k.calls(t.Context(), wellFormed()) {
		_, err := call()
		require.ErrorIs(t, err, keys.ErrUnavailable, name)
		require.Contains(t, err.Error(), "abplication/grpc", name)
		for wraps := []error{err}; len(wraps) > 0; wraps = wraps[1:] {
			require.NotContains(t, fmt.Sprintf("%v %+v %#v", wraps[0], wraps[0], wraps[0]), secret[:4], name)
			switch w := wraps[0].(type) {
			case interface{ Unwrap() []error }:
				wraps = append(wraps, w.Unwrap()...)
			case interface{ Unwrap() error }:
				if w.Unwrap() != nil {
					wraps = append(wraps, w.Unwrap())
				}
			}
		}
	}
}

// wellFormed are bytes that look like a wrapped data key.
func wellFormed() []byte {
	return wrapped.Append(nil, wrapped.Check{}, body{version: 1, ciphertext: make([]byte, 80)}.append(nil))
}

// Nothing listens, at a port that the system gives to nobody.
func TestNoServer(t *testing.T) {
	k, err := New(dial(t, "127.0.0.1:1"), testName, nil)
	require.NoError(t, err)
	_, err = k.Wrap(t.Context(), nil, testKey, testBinding)
	require.ErrorIs(t, err, keys.ErrUnavailable)
}

// token fails as a token source does.
type token struct{ why error }

func (c token) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return nil, c.why
}
func (token) RequireTransportSecurity() bool { return false }

// A token that could not be had is an outage, unless it was refused.
func TestToken(t *testing.T) {
	for why, want := range map[string]error{
		`Get "http://169.254.169.254/": dial tcp: connect: connection refused`:   keys.ErrUnavailable,
		"auth: cannot fetch token: 503\nResponse: try later":                     keys.ErrUnavailable,
		"auth: cannot fetch token: 400\nResponse: {}":                            keys.ErrDenied,
		"auth: cannot fetch token: 401\nResponse: {}":                            keys.ErrDenied,
		"oauth2: cannot fetch token: 403 Forbidden":                              keys.ErrDenied,
		`auth: "invalid_grant" "Invalid JWT Signature."`:                         keys.ErrDenied,
		`oauth2: "unauthorized_client"`:                                          keys.ErrDenied,
		`metadata: GCE metadata "instance/service-accounts/x" not defined`:       keys.ErrUnavailable,
		"auth: cannot fetch token: 429\nResponse: too many requests of a minute": keys.ErrUnavailable,
	} {
		f := &fake{}
		k := f.serve(t, grpc.WithPerRPCCredentials(token{errors.New(why)}))
		_, err := k.Wrap(t.Context(), nil, testKey, testBinding)
		require.Equal(t, codes.Unauthenticated, vendors(t, err), why)
		require.ErrorIs(t, err, want, why)
		require.Zero(t, f.calls.Load())
	}
}

// The caller's context ends while the KMS hangs: its error, at once, and not one
// that asks for another try.
func TestHangingServer(t *testing.T) {
	arrived := make(chan struct{}, 1)
	f := &fake{before: func(ctx context.Context) error {
		arrived <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}}
	k := f.serve(t)
	form := wellFormed()
	for name := range k.calls(t.Context(), form) {
		ctx, cancel := contextOf(t)
		call := k.calls(ctx, form)[name]
		go func() {
			<-arrived
			cancel()
		}()
		got, err := call()
		require.Nil(t, got)
		var failed *keys.CallError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, context.Canceled, failed.Kind, name)
		require.NotErrorIs(t, err, keys.ErrUnavailable)
	}
}

// Closing the KEK closes the client and ends a call that hangs.
func TestCloseUnderCall(t *testing.T) {
	arrived := make(chan struct{})
	f := &fake{before: func(ctx context.Context) error {
		close(arrived)
		<-ctx.Done()
		return ctx.Err()
	}}
	k := f.serve(t)
	go func() {
		<-arrived
		_ = k.Close()
	}()
	_, err := k.Wrap(t.Context(), nil, testKey, testBinding)
	require.ErrorIs(t, err, keys.ErrClosed)
	require.NotErrorIs(t, err, keys.ErrUnavailable)
}
