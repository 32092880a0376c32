package awskms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// What the client returns without an answer of KMS's.
func TestKindOf(t *testing.T) {
	op := func(err error) error {
		return &smithy.OperationError{ServiceID: "KMS", OperationName: "Decrypt", Err: err}
	}
	answered := func(status int, err error) error {
		return op(&smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}}, Err: err})
	}
	identity := func(err error) error { return op(fmt.Errorf("get identity: get credentials: %w", err)) }
	for name, c := range map[string]struct{ err, kind error }{
		"refused connection":         {op(&smithyhttp.RequestSendError{Err: &net.OpError{Op: "dial", Err: errors.New("refused")}}), keys.ErrUnavailable},
		"any HTTP client's error":    {op(&smithyhttp.RequestSendError{Err: errors.New("anything")}), keys.ErrUnavailable},
		"no such host":               {op(&net.DNSError{Err: "no such host", IsNotFound: true}), keys.ErrUnavailable},
		"connection closed":          {op(io.EOF), keys.ErrUnavailable},
		"a limit of the client's":    {op(context.DeadlineExceeded), keys.ErrUnavailable},
		"cancelled by the client":    {op(&smithy.CanceledError{Err: context.Canceled}), keys.ErrUnavailable},
		"no credentials":             {identity(errors.New("static credentials are empty")), keys.ErrDenied},
		"token file missing":         {identity(&fs.PathError{Op: "open", Path: "token", Err: fs.ErrNotExist}), keys.ErrDenied},
		"credentials: network":       {identity(&url.Error{Op: "Get", URL: "http://169.254.169.254", Err: errors.New("refused")}), keys.ErrUnavailable},
		"credentials: no role":       {identity(answered(404, errors.New("not found"))), keys.ErrDenied},
		"credentials: STS is down":   {identity(answered(503, errors.New("down"))), keys.ErrUnavailable},
		"credentials: STS throttles": {identity(&smithy.GenericAPIError{Code: "Throttling"}), keys.ErrThrottled},
		"credentials: STS denies":    {identity(answered(403, &smithy.GenericAPIError{Code: "AccessDenied"})), keys.ErrDenied},
		"credentials: cancelled":     {identity(&aws.RequestCanceledError{Err: context.Canceled}), keys.ErrUnavailable},
		"a wrong clock":              {answered(400, skewed{&smithy.GenericAPIError{Code: "InvalidSignatureException"}}), keys.ErrUnavailable},
		"unreadable":                 {answered(200, &smithy.DeserializationError{Err: errors.New("x")}), keys.ErrUnavailable},
		"not to be sent":             {op(&smithy.SerializationError{Err: errors.New("x")}), keys.ErrDenied},
		"never seen":                 {errors.New("never seen"), keys.ErrDenied},
	} {
		require.Equal(t, c.kind, kindOf(c.err), name)
		err := failed(t.Context(), decrypt, c.err)
		require.ErrorIs(t, err, c.kind, name)
		require.NotErrorIs(t, err, context.Canceled, "%s: the caller's context is alive", name)
		require.NotErrorIs(t, err, context.DeadlineExceeded, "%s: the caller's context is alive", name)
		require.ErrorContains(t, err, c.err.Error(), name)
	}
}

type skewed struct{ error }

func (s skewed) RetryableError() bool { return true }
func (s skewed) Unwrap() error        { return s.error }
