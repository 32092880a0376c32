package awskms

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"

	"github.com/cardseal/cardseal/keys"
)

// ErrClosed is the use of a closed KEK. It is keys.ErrClosed to errors.Is.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string        { return "awskms: KEK is closed" }
func (closedError) Is(target error) bool { return target == keys.ErrClosed }

// ParamError is an argument outside its bounds. No call is made for it.
type ParamError struct{ Field, Reason string }

func (e *ParamError) Error() string { return "awskms: " + e.Field + " " + e.Reason }

// failed is the failure of a call. permission is what the caller needs for it.
func failed(ctx context.Context, permission string, err error) error {
	ended := ctx.Err()
	if end, ok := ctx.Deadline(); ended == nil && ok && errors.Is(err, context.DeadlineExceeded) && !time.Now().Before(end) {
		ended = context.DeadlineExceeded // a socket's clock was the first to see it
	}
	if ended != nil {
		return &keys.CallError{Call: permission, Kind: ended, Err: err}
	}
	return &keys.CallError{Call: permission, Kind: kindOf(err), Err: &vendorError{err}}
}

// kinds of the codes that say more than their HTTP status does.
var kinds = map[string]error{
	"NotFoundException": keys.ErrNotFound,

	"DisabledException":             keys.ErrDisabled,
	"KMSInvalidStateException":      keys.ErrDisabled,
	"InvalidKeyUsageException":      keys.ErrDisabled,
	"UnsupportedOperationException": keys.ErrDisabled,

	"InvalidCiphertextException": keys.ErrCorrupt,
	"IncorrectKeyException":      keys.ErrCorrupt,

	"KMSInternalException":        keys.ErrUnavailable,
	"DependencyTimeoutException":  keys.ErrUnavailable,
	"KeyUnavailableException":     keys.ErrUnavailable,
	"InternalFailure":             keys.ErrUnavailable,
	"InternalError":               keys.ErrUnavailable,
	"ServiceUnavailable":          keys.ErrUnavailable,
	"ServiceUnavailableException": keys.ErrUnavailable,
	"RequestTimeout":              keys.ErrUnavailable,
	"RequestTimeoutException":     keys.ErrUnavailable,
}

// kindOf maps what the client returned while the caller's context was alive.
func kindOf(err error) error {
	// The machine's clock is wrong: the client has learnt so from the answer and
	// signs the next call with the right time.
	if skewed := interface{ RetryableError() bool }(nil); errors.As(err, &skewed) && skewed.RetryableError() {
		return keys.ErrUnavailable
	}
	status := 0
	if r := interface{ HTTPStatusCode() int }(nil); errors.As(err, &r) {
		status = r.HTTPStatusCode()
	}
	if unreadable := (*smithy.DeserializationError)(nil); errors.As(err, &unreadable) {
		clear(unreadable.Snapshot) // of an answer
	}
	if api := smithy.APIError(nil); errors.As(err, &api) && api.ErrorCode() != noCode {
		if kind := kinds[api.ErrorCode()]; kind != nil {
			return kind
		}
		if _, ok := retry.DefaultThrottleErrorCodes[api.ErrorCode()]; ok {
			return keys.ErrThrottled
		}
		return kindOfStatus(status)
	}
	switch {
	case status == http.StatusBadRequest:
		return keys.ErrUnavailable // where KMS refuses so, it says why: the answer was cut short
	case status == 0 && !network(err):
		return keys.ErrDenied // never sent: no credentials, say
	}
	return kindOfStatus(status)
}

// noCode is the client's word for an answer that holds no code.
const noCode = "UnknownError"

func kindOfStatus(status int) error {
	switch {
	case status == http.StatusTooManyRequests:
		return keys.ErrThrottled
	case status < http.StatusBadRequest, status == http.StatusRequestTimeout, status >= http.StatusInternalServerError:
		return keys.ErrUnavailable
	}
	return keys.ErrDenied
}

// network: the call, or the one that was to fetch credentials for it, got no
// answer.
func network(err error) bool {
	var broken interface{ ConnectionError() bool }
	var cancelled interface{ CanceledError() bool }
	var other net.Error
	return errors.As(err, &broken) || errors.As(err, &cancelled) || errors.As(err, &other) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// vendorError is the client's error without the context's errors within it. A
// time limit of the client's own looks like one of them, and the caller would
// take it for his.
type vendorError struct{ err error }

func (e *vendorError) Error() string { return e.err.Error() }

func (e *vendorError) As(target any) bool { return errors.As(e.err, target) }

func (e *vendorError) Is(target error) bool {
	return target != context.Canceled && target != context.DeadlineExceeded && errors.Is(e.err, target)
}
