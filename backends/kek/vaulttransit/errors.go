package vaulttransit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/hashicorp/vault/api"

	"github.com/cardseal/cardseal/keys"
)

// classify gives a failed call its kind, by status and never by the text. A 400
// is keys.ErrDenied here; whoever can tell more looks at the key (see explain).
func classify(ctx context.Context, c call, err error) *keys.CallError {
	var answer *api.ResponseError
	switch {
	case ended(ctx, err) != nil:
		return c.failed(ended(ctx, err), nil)
	case errors.As(err, &answer):
		return c.failed(kindOf(answer), safe(answer))
	}
	return c.failed(keys.ErrUnavailable, network(err))
}

// ended is the error of a context that is over, nil before. A dialler gives up at
// the deadline, which can be before the context has noticed.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if end, ok := ctx.Deadline(); ok && errors.Is(err, context.DeadlineExceeded) && time.Until(end) <= 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func kindOf(answer *api.ResponseError) error {
	switch code := answer.StatusCode; {
	case code == http.StatusTooManyRequests:
		return keys.ErrThrottled
	case code >= 500, code == http.StatusRequestTimeout:
		return keys.ErrUnavailable // 503: sealed
	case answer.RawError:
		return keys.ErrUnavailable // not Vault speaks, or it was cut off
	case code == http.StatusNotFound:
		return keys.ErrNotFound
	case answer.Errors == nil:
		return keys.ErrUnavailable // Vault always lists its reasons
	case code == http.StatusPreconditionFailed:
		return keys.ErrUnavailable // a replica that lags behind
	}
	return keys.ErrDenied
}

// badRequest reports whether Vault refused the request itself, which it does for
// an unknown key and for every fault of a ciphertext alike.
func badRequest(err error) bool { return refusedWith(err, http.StatusBadRequest) }

func refusedWith(err error, status int) bool {
	var answer *api.ResponseError
	return errors.Is(err, keys.ErrDenied) && errors.As(err, &answer) && answer.StatusCode == status
}

// explain looks at the key to say why Vault refused a request about a ciphertext
// (nil: of a request that wrapped). The answer's text is not looked at: it
// differs between versions.
func (k *KEK) explain(ctx context.Context, c call, refused error, ct *ciphertext) error {
	if ct == nil {
		if _, err := k.readKey(ctx); err != nil {
			return err
		}
		return refused
	}
	kind, err := k.verdict(ctx)
	if err != nil {
		return err
	}
	var vendor *api.ResponseError
	errors.As(refused, &vendor)
	return c.failed(kind(*ct), vendor)
}

// verdict reads the key and returns the kind of failure that a ciphertext which
// Vault refused comes to; or an error that holds for all of them.
func (k *KEK) verdict(ctx context.Context) (func(ciphertext) error, error) {
	s, err := k.readKey(ctx)
	switch {
	case errors.Is(err, keys.ErrDenied): // the likeliest, where policy hides the key
		return func(ciphertext) error { return keys.ErrCorrupt }, nil
	case err != nil:
		return nil, err
	}
	return func(ct ciphertext) error {
		if ct.version <= s.Latest && ct.version < max(s.MinDecrypt, s.MinAvail) {
			return keys.ErrDisabled
		}
		return keys.ErrCorrupt
	}, nil
}

// safe copies Vault's error without what could hold a secret: a body that could
// not be parsed, a password in the address, or texts without end.
func safe(answer *api.ResponseError) *api.ResponseError {
	out := &api.ResponseError{
		HTTPMethod: answer.HTTPMethod, StatusCode: answer.StatusCode,
		NamespacePath: answer.NamespacePath, RawError: answer.RawError,
	}
	if u, err := url.Parse(answer.URL); err == nil {
		u.RawQuery = ""
		out.URL = u.Redacted()
	}
	if answer.RawError {
		out.Errors = []string{"(not JSON, left out)"}
		return out
	}
	for _, text := range answer.Errors[:min(len(answer.Errors), 4)] {
		out.Errors = append(out.Errors, clip(text, 512))
	}
	return out
}

func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return text[:n] + "…"
}

// networkError is a failure below HTTP. Its text holds nothing of an answer.
type networkError struct {
	text string
	err  error // what errors.Is may find; nil where that would mislead
}

func (e *networkError) Error() string { return "vaulttransit: " + e.text }
func (e *networkError) Unwrap() error { return e.err }

// network keeps of an error what is known to quote no answer: net/http quotes the
// beginning of what it cannot read, and an answer could begin with a data key
// where bytes were lost before it. A time limit that is not the caller's is not
// found by errors.Is, since it does not end the caller's work.
func network(err error) error {
	var (
		op     *net.OpError
		timed  net.Error
		cert   *tls.CertificateVerificationError
		record tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, errNotVault):
		return errNotVault
	case errors.As(err, &timed) && timed.Timeout(), errors.Is(err, context.Canceled):
		return &networkError{text: "a time limit of the client's own has passed"}
	case errors.As(err, &op):
		return &networkError{op.Error(), op}
	case errors.As(err, &cert):
		return &networkError{cert.Error(), cert}
	case errors.As(err, &record):
		return &networkError{text: record.Error()}
	}
	for _, known := range []error{io.EOF, io.ErrUnexpectedEOF, http.ErrSchemeMismatch} {
		if errors.Is(err, known) {
			return &networkError{known.Error(), known}
		}
	}
	for errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	return &networkError{text: fmt.Sprintf("no answer that could be read (%T)", err)}
}
