package bolt

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"

	berrors "go.etcd.io/bbolt/errors"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// kinds says which of the store's errors stands for an error of bolt or of the
// operating system.
var kinds = []struct {
	cause error
	kind  error
}{
	{berrors.ErrDatabaseNotOpen, store.ErrClosed},
	{berrors.ErrDatabaseReadOnly, store.ErrReadOnly},
	{berrors.ErrTimeout, store.ErrLocked},
	{berrors.ErrInvalid, store.ErrCorrupt},
	{berrors.ErrChecksum, store.ErrCorrupt},
	{berrors.ErrVersionMismatch, store.ErrCorrupt},
	{berrors.ErrInvalidMapping, store.ErrUnavailable},
	{berrors.ErrMaxSizeReached, store.ErrFull},
	{syscall.ENOSPC, store.ErrFull},
	{syscall.EDQUOT, store.ErrFull},
	{syscall.EFBIG, store.ErrFull},
	{syscall.EROFS, store.ErrReadOnly},
	{syscall.EIO, store.ErrUnavailable},
	{syscall.ENOMEM, store.ErrUnavailable},
}

// translate gives err its kind and keeps it wrapped.
func translate(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	for _, k := range kinds {
		if errors.Is(err, k.kind) {
			return err
		}
	}
	for _, k := range kinds {
		_, system := k.cause.(syscall.Errno)
		// bolt keeps only the text of what the system said when it grows the
		// file or its mapping.
		if errors.Is(err, k.cause) || system && strings.HasSuffix(err.Error(), k.cause.Error()) {
			return fmt.Errorf("bolt: %w: %w", k.kind, err)
		}
	}
	return err
}

// corrupt is what is said of a value that cannot be read. It never shows it.
func corrupt(what string) error {
	return fmt.Errorf("bolt: %w: %s cannot be read", store.ErrCorrupt, what)
}

func newer(what string) error {
	return fmt.Errorf("bolt: %w: %s", store.ErrNewer, what)
}

// keyError gives an error of the card store's kinds the kind of the key store
// beside it.
func keyError(err error) error {
	for _, k := range []struct{ kind, keys error }{
		{store.ErrClosed, keys.ErrClosed},
		{store.ErrUnavailable, keys.ErrUnavailable},
		{store.ErrCorrupt, keys.ErrCorrupt},
	} {
		if errors.Is(err, k.kind) {
			return fmt.Errorf("%w (%w)", err, k.keys)
		}
	}
	return err
}
