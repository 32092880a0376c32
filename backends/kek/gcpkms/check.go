package gcpkms

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"fmt"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/cardseal/cardseal/keys"
)

// Check looks at the key and wraps and unwraps a data key made for it, under a
// binding that nothing else has: three calls. A key of another purpose, or whose
// primary version is not enabled, is keys.ErrDisabled. Without the permission
// cloudkms.cryptoKeys.get the look at the key is left out.
func (k *KEK) Check(ctx context.Context) error {
	if err := k.usable(ctx, callGet); err != nil {
		return err
	}
	if err := k.look(ctx); err != nil && !errors.Is(err, keys.ErrDenied) {
		return err
	}
	b := keys.Binding{Environment: "check", Purpose: "x-check", Created: time.Now()}
	rand.Read(b.KeyID[:])
	dataKey := make([]byte, keys.DataKeySize)
	rand.Read(dataKey)
	form, err := k.Wrap(ctx, nil, dataKey, b)
	if err != nil {
		return err
	}
	got, err := k.Unwrap(ctx, nil, form, b)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(got, dataKey) != 1 {
		return &keys.CallError{Call: callDecrypt, Kind: keys.ErrCorrupt, Err: errors.New("a data key comes back changed")}
	}
	return nil
}

// look asks for the key and tells what of it cannot serve.
func (k *KEK) look(ctx context.Context) error {
	key, err := k.client.GetCryptoKey(ctx, &kmspb.GetCryptoKeyRequest{Name: k.name}, once())
	if err != nil {
		return k.failed(ctx, callGet, err)
	}
	disabled := func(format string, args ...any) error {
		return &keys.CallError{Call: callGet, Kind: keys.ErrDisabled, Err: fmt.Errorf(format, args...)}
	}
	switch {
	case key.GetName() != k.name:
		return &keys.CallError{Call: callGet, Kind: keys.ErrCorrupt, Err: errors.New("the KMS answers with another key")}
	case key.GetPurpose() != kmspb.CryptoKey_ENCRYPT_DECRYPT:
		return disabled("the key's purpose is %v, want ENCRYPT_DECRYPT", key.GetPurpose())
	case key.GetPrimary() == nil:
		return disabled("the key has no primary version")
	case key.GetPrimary().GetState() != kmspb.CryptoKeyVersion_ENABLED:
		return disabled("the key's primary version is %v", key.GetPrimary().GetState())
	}
	return nil
}
