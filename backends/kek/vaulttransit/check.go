package vaulttransit

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// Check reads the key, wraps and unwraps a data key that Vault makes for it, and
// sees that another binding is refused. A token that may only unwrap fails it.
func (k *KEK) Check(ctx context.Context) error {
	b := keys.Binding{Environment: "check", Purpose: "x-check", Created: time.Now()}
	rand.Read(b.KeyID[:])
	dataKey, wrapped, err := k.GenerateDataKey(ctx, nil, b)
	clear(dataKey)
	if err != nil {
		return err
	}
	got, err := k.Unwrap(ctx, nil, wrapped, b)
	clear(got)
	if err != nil {
		return err
	}
	// Past the check value, so that Vault has to be what refuses.
	_, ct, _ := parseStored(wrapped)
	b.Scope = "other"
	got, err = k.decrypt(ctx, ct, b.AAD())
	clear(got)
	switch {
	case err == nil:
		return fmt.Errorf("vaulttransit: %s decrypts under another binding: %w", k.name.key(), keys.ErrDisabled)
	case errors.Is(err, keys.ErrCorrupt):
		return nil
	}
	return err
}
