package gcpkms

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"

	kms "cloud.google.com/go/kms/apiv1"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

// KEK is a key of Google Cloud KMS. It implements keys.KEK, keys.Checker and
// keys.Versioned.
type KEK struct {
	name   string
	client *kms.KeyManagementClient
	closer io.Closer // nil where the caller keeps the client
	closed atomic.Bool
}

// Options of [New]. The zero value is fine.
type Options struct {
	// Closer is closed by [KEK.Close]: the client, say. nil where the caller keeps
	// the client and closes it.
	Closer io.Closer
}

// New returns the KEK that name names:
// projects/P/locations/L/keyRings/R/cryptoKeys/K, with the project's ID, not its
// number, of at most 255 bytes. It makes no call. A name of another form is a
// [*NameError], also one that goes on to a version: the KMS chooses the version.
// The client must be a gRPC one.
func New(client *kms.KeyManagementClient, name string, o *Options) (*KEK, error) {
	if client == nil {
		return nil, errors.New("gcpkms: client is nil")
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	// A client over REST reports failures in other words, by which a disabled key
	// cannot be told from a malformed request.
	//lint:ignore SA1019 which connection does not matter, only that there is one
	if client.Connection() == nil {
		return nil, errors.New("gcpkms: client is not a gRPC client")
	}
	k := &KEK{name: name, client: client}
	if o != nil {
		k.closer = o.Closer
	}
	return k, nil
}

// ID is the key's resource name.
func (k *KEK) ID() string { return k.name }

// String is the ID.
func (k *KEK) String() string { return k.name }

// GoString is the ID.
func (k *KEK) GoString() string { return k.name }

// Format prints the ID for every verb; the client never prints.
func (k *KEK) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.name) }

// Wrap appends the wrapped form of a data key of exactly 32 bytes. dst must not
// overlap dataKey. Errors are *keys.CallError, keys.ErrClosed after Close, or a
// plain error for a data key of another length.
func (k *KEK) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	if err := k.usable(ctx, callEncrypt); err != nil {
		return nil, err
	}
	if len(dataKey) != keys.DataKeySize {
		return nil, fmt.Errorf("gcpkms: a data key has %d bytes, want %d", len(dataKey), keys.DataKeySize)
	}
	body, err := k.encrypt(ctx, dataKey, b.AAD())
	if err != nil {
		return nil, err
	}
	check, err := wrapped.NewCheck(dataKey, b, body.bound())
	if err != nil {
		return nil, fmt.Errorf("gcpkms: %w", err)
	}
	return wrapped.Append(dst, check, body.append(nil)), nil
}

// Unwrap appends the data key. Wrapped bytes that are altered, malformed, of
// another key or another binding are keys.ErrCorrupt; malformed ones cost no
// call. dst must not overlap form.
func (k *KEK) Unwrap(ctx context.Context, dst, form []byte, b keys.Binding) ([]byte, error) {
	if err := k.usable(ctx, callDecrypt); err != nil {
		return nil, err
	}
	check, body, ok := parse(form)
	if !ok {
		return nil, &keys.CallError{Call: callDecrypt, Kind: keys.ErrCorrupt, Err: errForm}
	}
	dataKey, err := k.decrypt(ctx, body.ciphertext, b.AAD())
	if err != nil {
		return nil, err
	}
	defer clear(dataKey)
	if !check.Matches(dataKey, b, body.bound()) {
		return nil, &keys.CallError{Call: callDecrypt, Kind: keys.ErrCorrupt, Err: errCheck}
	}
	return append(dst, dataKey...), nil
}

// Close makes every later call fail with [ErrClosed] and closes Options.Closer,
// whose error it returns. Closing the client ends calls under way, with ErrClosed.
// Closing twice is fine.
func (k *KEK) Close() error {
	if k == nil || k.closed.Swap(true) || k.closer == nil {
		return nil
	}
	return k.closer.Close()
}

func (k *KEK) usable(ctx context.Context, call string) error {
	if k == nil || k.client == nil {
		return errors.New("gcpkms: KEK was not made by New")
	}
	if k.closed.Load() {
		return ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return &keys.CallError{Call: call, Kind: err}
	}
	return nil
}
