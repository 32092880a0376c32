package keys

import (
	"context"
	"time"
)

// DataKeySize is the length of every data key in bytes.
const DataKeySize = 32

// KEK is a key-encryption key that never leaves its KMS. It wraps data keys of
// exactly 32 bytes under a [Binding] and unwraps them under the same binding
// only. Implementations are safe for concurrent use and report failures as one of
// this package's kinds ([ErrDenied], [ErrUnavailable] and so on) with the vendor's
// error wrapped, best as a [CallError]. An error of no kind is an answer of the KMS:
// [Options].Grace does not apply to it, and it is not tried again. They keep to the
// caller's context: once it ends they return its error at once. A time limit of a
// client's own that is over, while the context goes on, is [ErrUnavailable]. They try
// once; the [Manager] tries again.
type KEK interface {
	// ID is the canonical name of the key, stored beside what it wrapped. It is
	// never an alias, which could come to mean another key.
	ID() string
	// Wrap appends the wrapped data key to dst. What it returns unwraps: where the
	// KMS sends no checksum of its answer, the backend has it unwrapped and compares.
	Wrap(ctx context.Context, dst, dataKey []byte, b Binding) ([]byte, error)
	// Unwrap appends the data key to dst, or fails with [ErrCorrupt] where the
	// wrapped bytes were altered, were made by another key, or are bound to
	// something else than b.
	Unwrap(ctx context.Context, dst, wrapped []byte, b Binding) ([]byte, error)
}

// Generator is a KEK whose KMS makes data keys itself.
type Generator interface {
	// GenerateDataKey appends a fresh data key to dst and returns it together
	// with its wrapped form.
	GenerateDataKey(ctx context.Context, dst []byte, b Binding) (dataKey, wrapped []byte, err error)
}

// Rewrapper is a KEK that can move a wrapped data key to its newest version
// without the data key leaving the KMS. For that reason nobody has seen the answer
// unwrap: the caller unwraps it before he gives up what it replaces.
type Rewrapper interface {
	Rewrap(ctx context.Context, dst, wrapped []byte, b Binding) ([]byte, error)
}

// Versioned is a KEK that can tell which of its versions wrapped a data key,
// without a call to the KMS: "" where it cannot.
type Versioned interface {
	Version(wrapped []byte) string
}

// Checker is a KEK that can say whether it would serve, in words an operator
// understands. It makes at least one call to the KMS.
type Checker interface {
	Check(ctx context.Context) error
}

// Destroyer is a KEK that can ask its KMS to destroy the key for good. One that is
// destroyed already, or will be, says so by nil, [ErrNotFound] or [ErrDisabled].
type Destroyer interface {
	Destroy(ctx context.Context) error
}

// Development is a KEK that is not fit for production and says why. A
// repository for production refuses it unless told otherwise.
type Development interface {
	Development() string
}

// Binding is what a wrapped data key is bound to in the KMS call, so that it
// cannot be put under another ID, environment, scope or purpose. None of it is
// secret: a KMS may log it.
type Binding struct {
	Environment string
	Scope       string // empty in the Shared layout
	Purpose     Purpose
	KeyID       KeyID
	Created     time.Time // bound as Unix seconds
}
