package awskms

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// codes are those of KMS's documentation and of AWS's common errors, and some
// that nobody has seen yet.
var codes = []struct {
	kind  error
	codes []string
}{
	{keys.ErrNotFound, []string{"NotFoundException"}},
	{keys.ErrDisabled, []string{
		"DisabledException", "KMSInvalidStateException", "InvalidKeyUsageException", "UnsupportedOperationException",
	}},
	{keys.ErrCorrupt, []string{"InvalidCiphertextException", "IncorrectKeyException"}},
	{keys.ErrThrottled, []string{
		"ThrottlingException", "Throttling", "ThrottledException", "RequestThrottled", "RequestThrottledException",
		"LimitExceededException", "RequestLimitExceeded", "TooManyRequestsException", "SlowDown",
	}},
	{keys.ErrUnavailable, []string{
		"KMSInternalException", "DependencyTimeoutException", "KeyUnavailableException", "InternalFailure", "InternalError",
		"ServiceUnavailable", "ServiceUnavailableException", "RequestTimeout", "RequestTimeoutException",
	}},
	{keys.ErrDenied, []string{
		"AccessDeniedException", "AccessDenied", "UnrecognizedClientException", "InvalidClientTokenId", "NotAuthorized",
		"InvalidSignatureException", "SignatureDoesNotMatch", "IncompleteSignature", "MissingAuthenticationToken",
		"ExpiredTokenException", "ExpiredToken", "RequestExpired", "OptInRequired", "InvalidGrantTokenException",
		"DryRunOperationException", "ValidationException", "ValidationError", "InvalidArnException", "MalformedQueryString",
		"UnknownOperationException", "SerializationException", "AnErrorOfTheYear2031Exception", "x",
	}},
}

// calls are all calls of a KEK, by the permission they need first.
var calls = map[string]func(ctx context.Context, k *KEK, stored []byte) ([]byte, error){
	encrypt: func(ctx context.Context, k *KEK, _ []byte) ([]byte, error) {
		return k.Wrap(ctx, nil, make([]byte, 32), binding())
	},
	decrypt: func(ctx context.Context, k *KEK, stored []byte) ([]byte, error) {
		return k.Unwrap(ctx, nil, stored, binding())
	},
	generateDataKey: func(ctx context.Context, k *KEK, _ []byte) ([]byte, error) {
		key, stored, err := k.GenerateDataKey(ctx, nil, binding())
		return append(key, stored...), err
	},
	reEncrypt: func(ctx context.Context, k *KEK, stored []byte) ([]byte, error) {
		return k.Rewrap(ctx, nil, stored, binding())
	},
	describeKey: func(ctx context.Context, k *KEK, _ []byte) ([]byte, error) { return nil, k.Check(ctx) },
}

// wrappedKey is a key of the fake with what it wrapped.
func wrappedKey(t *testing.T, f *fakeKMS) (*KEK, []byte) {
	k := f.open(t, f.key(region, keyID))
	stored, err := k.Wrap(t.Context(), nil, make([]byte, 32), binding())
	require.NoError(t, err)
	f.made()
	return k, stored
}

// failsWith expects the error of a call.
func failsWith(t *testing.T, got []byte, err error, call string, kind error) *keys.CallError {
	t.Helper()
	var failed *keys.CallError
	require.ErrorAs(t, err, &failed)
	require.ErrorIs(t, err, kind)
	require.Equal(t, kind, failed.Kind)
	require.Equal(t, call, failed.Call)
	require.Nil(t, got)
	return failed
}

func TestErrorCodes(t *testing.T) {
	f := newFake(t)
	k, stored := wrappedKey(t, f)
	for _, c := range codes {
		for _, code := range c.codes {
			if code == "AccessDeniedException" || code == "AccessDenied" {
				continue // New and Check go on without DescribeKey: below
			}
			f.set(func(w http.ResponseWriter, _ string) bool { refuse(w, code, http.StatusBadRequest); return true }, nil)
			for call, try := range calls {
				got, err := try(t.Context(), k, stored)
				failed := failsWith(t, got, err, call, c.kind)
				var api smithy.APIError
				require.ErrorAs(t, failed.Err, &api, "the vendor's error is kept")
				require.Equal(t, code, api.ErrorCode())
				require.Len(t, f.made(), 1, "%s is tried once", call)
			}
			_, err := New(t.Context(), f.config(), "alias/a", nil)
			failsWith(t, nil, err, describeKey, c.kind)
			f.made()
		}
	}
}

func TestAccessDenied(t *testing.T) {
	f := newFake(t)
	k, stored := wrappedKey(t, f)
	for _, code := range []string{"AccessDeniedException", "AccessDenied"} {
		f.set(func(w http.ResponseWriter, _ string) bool { refuse(w, code, http.StatusBadRequest); return true }, nil)
		for call, try := range calls {
			got, err := try(t.Context(), k, stored)
			if call == describeKey {
				failsWith(t, got, err, generateDataKey, keys.ErrDenied)
				require.ErrorContains(t, err, `must allow cardseal:environment "check"`)
				continue
			}
			failsWith(t, got, err, call, keys.ErrDenied)
		}
	}
}

// What comes from something before KMS has a status and no code, or a body that
// cannot be read.
func TestAnswersOfOthers(t *testing.T) {
	f := newFake(t)
	k, stored := wrappedKey(t, f)
	for _, c := range []struct {
		status int
		body   string
		kind   error
	}{
		{200, "", keys.ErrUnavailable},
		{200, "{}", keys.ErrUnavailable},
		{200, `{"Plaintext":"AAAA`, keys.ErrUnavailable},
		{200, "<html>", keys.ErrUnavailable},
		{200, `{"Plaintext":{},"CiphertextBlob":{},"KeyMetadata":3}`, keys.ErrUnavailable},
		{302, "", keys.ErrUnavailable},
		{400, "", keys.ErrUnavailable}, // cut short: KMS says why
		{400, `{"__type":"Disabl`, keys.ErrUnavailable},
		{400, "{}", keys.ErrUnavailable},
		{403, "<html>", keys.ErrDenied},
		{404, "<html>", keys.ErrDenied},
		{407, "<html>", keys.ErrDenied},
		{408, "<html>", keys.ErrUnavailable},
		{413, `{"__type":"RequestEntityTooLargeException"}`, keys.ErrDenied},
		{429, "<html>", keys.ErrThrottled},
		{429, `{"__type":"Whatever"}`, keys.ErrThrottled},
		{500, "", keys.ErrUnavailable},
		{500, `{"__type":"Whatever"}`, keys.ErrUnavailable},
		{502, "<html>", keys.ErrUnavailable},
		{503, "{}", keys.ErrUnavailable},
		{503, `{"__type":"DisabledException"}`, keys.ErrDisabled}, // the code says more
	} {
		f.set(func(w http.ResponseWriter, _ string) bool {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
			return true
		}, nil)
		for call, try := range calls {
			got, err := try(t.Context(), k, stored)
			failsWith(t, got, err, call, c.kind)
		}
	}
}

// An answer that could not be read may hold a data key: the client's error must
// not keep it.
func TestNoSnapshotKept(t *testing.T) {
	snapshot := []byte(`{"Plaintext":"secret`)
	_ = failed(t.Context(), decrypt, &smithy.DeserializationError{Err: errors.New("x"), Snapshot: snapshot})
	require.Equal(t, make([]byte, len(snapshot)), snapshot)
}

// The caller's own context goes before everything, and is to be seen in the error.
func TestContextEnded(t *testing.T) {
	f := newFake(t)
	k, stored := wrappedKey(t, f)
	t.Cleanup(f.CloseClientConnections)
	hangs := func(_ http.ResponseWriter, _ string) bool { <-t.Context().Done(); return true }
	for call, try := range calls {
		ctx, stop := context.WithCancel(t.Context())
		f.set(func(w http.ResponseWriter, op string) bool { stop(); return hangs(w, op) }, nil)
		got, err := try(ctx, k, stored)
		failsWith(t, got, err, call, context.Canceled)
		require.NotErrorIs(t, err, keys.ErrUnavailable)

		// The request of a slow machine may not even arrive in that time.
		f.set(hangs, nil)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		got, err = try(ctx, k, stored)
		cancel()
		failsWith(t, got, err, call, context.DeadlineExceeded)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := New(ctx, f.config(), keyID, nil)
	require.ErrorIs(t, err, context.Canceled)
}

// A socket may see the deadline before the context does.
func TestDeadlineSeenEarly(t *testing.T) {
	ctx := early{t.Context()}
	err := failed(ctx, decrypt, &smithyhttp.RequestSendError{Err: context.DeadlineExceeded})
	failsWith(t, nil, err, decrypt, context.DeadlineExceeded)
	err = failed(ctx, decrypt, &smithy.GenericAPIError{Code: "DisabledException"})
	failsWith(t, nil, err, decrypt, keys.ErrDisabled)
}

type early struct{ context.Context }

func (early) Deadline() (time.Time, bool) { return time.Unix(1, 0), true }

func TestServerGone(t *testing.T) {
	f := newFake(t)
	k, stored := wrappedKey(t, f)
	f.Server.Close()
	for call, try := range calls {
		got, err := try(t.Context(), k, stored)
		failsWith(t, got, err, call, keys.ErrUnavailable)
	}
}

// No error quotes what was sent or answered.
func TestErrorsQuoteNoKeys(t *testing.T) {
	f := newFake(t)
	k, _ := wrappedKey(t, f)
	secret := bytes.Repeat([]byte("k3y!"), 8)
	f.set(nil, func(op string, answer map[string]any) {
		if op == "Decrypt" {
			answer["Plaintext"] = string(secret) // no base64: the client cannot read it
		}
	})
	_, err := k.Wrap(t.Context(), nil, secret, binding())
	require.ErrorIs(t, err, keys.ErrUnavailable)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", err, err, err), "k3y!")
}
