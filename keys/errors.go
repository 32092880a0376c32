package keys

import "errors"

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
