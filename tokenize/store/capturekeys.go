package store

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
)

// CaptureKey is a key pair that clients encrypt cards to. Nothing in it is secret in
// clear.
type CaptureKey struct {
	Scope   string // not empty, as Alias; at most [MaxName] bytes each
	Alias   string
	ID      capture.KeyID
	Created time.Time // whole seconds
	Retires time.Time // whole seconds; nothing opens from then on
	Sealed  []byte    // the private key, a sealed record
}

// CaptureKeys is where capture keys live; tokenize/capture/capturetest holds what
// every such store must do. Implementations are safe for concurrent use; byte slices
// handed in are not kept, byte slices handed out belong to the caller.
type CaptureKeys interface {
	// Put stores a key in place of the one with the same scope, alias and ID whose
	// Sealed is was, or where was is nil, as a key that is not there yet. Otherwise
	// it is [ErrConflict], decided at once with the write. A store that keeps cards
	// as well answers [ErrFenced] where [Cards.CloseFence] closed the data key that
	// the key is sealed under; it opens a fence that is not there.
	Put(ctx context.Context, k CaptureKey, was []byte) error
	// Get returns a key, or [ErrNotFound].
	Get(ctx context.Context, scope, alias string, id capture.KeyID) (CaptureKey, error)
	// List returns the keys of an alias, or of all aliases of the scope where alias
	// is empty, retired ones included, in any order.
	List(ctx context.Context, scope, alias string) ([]CaptureKey, error)
	// CountByKey counts the keys, over all scopes, that are sealed under a data key.
	CountByKey(ctx context.Context, key envelope.KeyID) (uint64, error)
}

// CheckCaptureKey refuses with an [InvalidError] what no store could keep.
func CheckCaptureKey(k *CaptureKey) error {
	switch {
	case k.Scope == "" || len(k.Scope) > MaxName:
		return &InvalidError{"CaptureKey.Scope", "must have 1 to 255 bytes"}
	case k.Alias == "" || len(k.Alias) > MaxName:
		return &InvalidError{"CaptureKey.Alias", "must have 1 to 255 bytes"}
	}
	return nil
}
