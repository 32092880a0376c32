package awskms

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// checkEnvironment is bound to what Check wraps.
const checkEnvironment = "check"

// Check asks for the key's state, where that is allowed, has a data key made and
// unwrapped under the environment "check", and sees that another binding is
// refused. It makes five calls and leaves nothing behind.
func (k *KEK) Check(ctx context.Context) error {
	if err := k.use(ctx); err != nil {
		return err
	}
	if _, err := k.s.describe(ctx, k.key.String(), keyName{keyARN: k.key}); err != nil {
		return err
	}
	b := keys.Binding{Environment: checkEnvironment, Purpose: "x-check", Created: time.Now()}
	rand.Read(b.KeyID[:])
	key, stored, err := k.GenerateDataKey(ctx, nil, b)
	defer clear(key)
	if errors.Is(err, keys.ErrDenied) {
		return fmt.Errorf("%w; a policy with conditions on the encryption context must allow cardseal:environment %q as well", err, checkEnvironment)
	}
	if err != nil {
		return err
	}
	got, err := k.Unwrap(ctx, nil, stored, b)
	defer clear(got)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(got, key) != 1 {
		return wrong(decrypt, "a data key comes back changed")
	}
	// Past the check value, which would hide that KMS ignores what is bound.
	b.Scope = "other"
	_, blob, bound, err := k.open(ctx, stored, b)
	if err != nil {
		return err
	}
	other, err := k.decrypt(ctx, blob, bound)
	clear(other)
	switch {
	case err == nil:
		return wrong(decrypt, "a data key opens under another encryption context")
	case !errors.Is(err, keys.ErrCorrupt):
		return err
	}
	return nil
}
