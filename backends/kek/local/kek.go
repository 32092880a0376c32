package local

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// Sizes in bytes, and what a wrapped data key begins with.
const (
	keySize        = 32
	idSize         = 16
	gcmOverhead    = 28 // random nonce 12, tag 16
	wrappedVersion = 1
	wrappedSize    = 1 + keys.DataKeySize + gcmOverhead
)

// KEK wraps data keys under a key from a file. It implements keys.KEK,
// keys.Checker and keys.Development.
type KEK struct {
	id   string
	why  string                      // not for production
	aead atomic.Pointer[cipher.AEAD] // nil once closed
}

// newKEK wipes key.
func newKEK(id [idSize]byte, key *[keySize]byte, why string) (*KEK, error) {
	defer clear(key[:])
	aead, err := newAEAD(key[:])
	if err != nil {
		return nil, err
	}
	// The ID is random, not a hash of the key: it is stored in clear beside
	// every data key and must say nothing of the KEK.
	k := &KEK{id: "local:" + hex.EncodeToString(id[:]), why: why}
	k.aead.Store(&aead)
	return k, nil
}

// newAEAD is AES-256-GCM with the nonce drawn inside, which is the form that
// FIPS mode allows.
func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("local: %w", err)
	}
	return aead, nil
}

// ID is "local:" and the 16 random bytes in hex that the file was given when it
// was made.
func (k *KEK) ID() string { return k.id }

// Development says why this is no KEK for production.
func (k *KEK) Development() string { return k.why }

// String is the ID; the key does not print.
func (k *KEK) String() string { return k.id }

// GoString is the ID.
func (k *KEK) GoString() string { return k.id }

// Wrap appends the wrapped form, 61 bytes, of a data key of exactly 32 bytes.
// dst must not overlap dataKey.
func (k *KEK) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	aead, err := k.use(ctx)
	if err != nil {
		return nil, err
	}
	if len(dataKey) != keys.DataKeySize {
		return nil, &ParamError{"data key", fmt.Sprintf("must be %d bytes", keys.DataKeySize)}
	}
	return aead.Seal(append(dst, wrappedVersion), nil, dataKey, b.AAD()), nil
}

// Unwrap appends the data key, or fails with keys.ErrCorrupt. dst must not
// overlap wrapped.
func (k *KEK) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	aead, err := k.use(ctx)
	if err != nil {
		return nil, err
	}
	if len(wrapped) != wrappedSize || wrapped[0] != wrappedVersion {
		return nil, keys.ErrCorrupt
	}
	out, err := aead.Open(dst, nil, wrapped[1:], b.AAD())
	if err != nil {
		return nil, keys.ErrCorrupt // the cipher's error adds nothing
	}
	return out, nil
}

// Check wraps and unwraps a data key made for it, and sees that another binding
// is refused.
func (k *KEK) Check(ctx context.Context) error {
	b := keys.Binding{Environment: "check", Purpose: "x-check", Created: time.Now()}
	rand.Read(b.KeyID[:])
	key := make([]byte, keys.DataKeySize)
	rand.Read(key)
	wrapped, err := k.Wrap(ctx, nil, key, b)
	if err != nil {
		return err
	}
	got, err := k.Unwrap(ctx, nil, wrapped, b)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(got, key) != 1 {
		return fmt.Errorf("local: a data key comes back changed: %w", keys.ErrCorrupt)
	}
	b.Scope = "other"
	if _, err := k.Unwrap(ctx, nil, wrapped, b); !errors.Is(err, keys.ErrCorrupt) {
		return errors.New("local: a data key unwraps under another binding")
	}
	return nil
}

// Close makes every later call fail with [ErrClosed]; calls under way end as
// usual. Closing twice is fine. It always returns nil.
func (k *KEK) Close() error {
	k.aead.Store(nil)
	return nil
}

func (k *KEK) use(ctx context.Context) (cipher.AEAD, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	aead := k.aead.Load()
	if aead == nil {
		return nil, ErrClosed
	}
	return *aead, nil
}
