package keys

import (
	"context"
	"errors"
	"fmt"
)

// The kinds of failure a KEK or a key store reports. Test with errors.Is; the
// vendor's own error is wrapped beside the kind. Only ErrThrottled and
// ErrUnavailable are worth another try.
var (
	ErrNotFound    = errors.New("keys: key not found")
	ErrDisabled    = errors.New("keys: key is disabled or destroyed")
	ErrDenied      = errors.New("keys: permission denied by the KMS")
	ErrThrottled   = errors.New("keys: the KMS asks to slow down")
	ErrUnavailable = errors.New("keys: the KMS or key store is unavailable")
	ErrCorrupt     = errors.New("keys: wrapped key does not unwrap under its binding")
	ErrConflict    = errors.New("keys: the ring was changed by another process")
	ErrClosed      = errors.New("keys: manager is closed")
)

// CallError is a failed call to a KMS, as a backend reports it. It satisfies
// errors.Is for its kind and for what the vendor's client returned.
type CallError struct {
	// Call names the call as the vendor's permissions do ("kms:Decrypt"), so that
	// whoever reads it knows what to grant.
	Call string
	// KEK is the canonical ID of the key that was asked, where several guard the
	// data key; the [Manager] fills it in.
	KEK string
	// Kind is one of this package's kinds, or the error of the caller's context.
	Kind error
	// Err is the vendor's own error; nil where the backend itself found the fault.
	Err error
}

func (e *CallError) Error() string {
	call := e.Call
	if e.KEK != "" {
		call += " by " + e.KEK
	}
	if e.Err == nil {
		return fmt.Sprintf("%v (%s)", e.Kind, call)
	}
	return fmt.Sprintf("%v (%s: %v)", e.Kind, call, e.Err)
}

// Unwrap returns kind and vendor's error.
func (e *CallError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// kindOf is which of this package's kinds an error is, or the error itself.
func kindOf(err error) error {
	for _, kind := range []error{ErrNotFound, ErrDisabled, ErrDenied, ErrThrottled, ErrUnavailable, ErrCorrupt, ErrClosed} {
		if errors.Is(err, kind) {
			return kind
		}
	}
	return err
}

// refusal reports whether a KMS or store said no to a key. It ends the key at
// once, whatever its clocks say, and also where another region could not be asked.
func refusal(err error) bool {
	return errors.Is(err, ErrDenied) || errors.Is(err, ErrDisabled) || errors.Is(err, ErrNotFound)
}

// unreachable reports whether nothing was learnt of a key, good or bad. A call that ran
// into [Options.Timeout] was not answered either; callers' own deadlines do not end it.
func unreachable(err error) bool {
	return (errors.Is(err, ErrUnavailable) || errors.Is(err, ErrThrottled) || errors.Is(err, context.DeadlineExceeded)) &&
		!refusal(err)
}
