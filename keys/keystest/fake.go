package keystest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/cardseal/cardseal/keys"
)

// KEK is a key-encryption key inside the process, with real AES-256-GCM and a
// binding that is enforced, that counts its calls and fails when told to. It
// costs nothing and guards nothing: for tests beside a real KMS, not in its
// place. It is safe for concurrent use.
type KEK struct {
	id   string
	aead cipher.AEAD

	mu      sync.Mutex
	wraps   int
	unwraps int
	before  func(ctx context.Context, op string, call int) error
}

// NewKEK returns a KEK with a fresh random key.
func NewKEK(id string) *KEK {
	key := make([]byte, 32)
	rand.Read(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("keystest: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("keystest: " + err.Error())
	}
	return &KEK{id: id, aead: aead}
}

// Before has f called at the beginning of every call, with "wrap" or "unwrap"
// and the number of the call of that kind, from 1. Its error fails the call. It
// may block.
func (k *KEK) Before(f func(ctx context.Context, op string, call int) error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.before = f
}

// SetError makes every call fail with err from now on; nil ends that.
func (k *KEK) SetError(err error) {
	k.Before(func(context.Context, string, int) error { return err })
}

// Wraps and Unwraps count the calls so far, failed ones included.
func (k *KEK) Wraps() int { return k.count(&k.wraps) }

// Unwraps: see [KEK.Wraps].
func (k *KEK) Unwraps() int { return k.count(&k.unwraps) }

func (k *KEK) count(n *int) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return *n
}

// ID implements keys.KEK.
func (k *KEK) ID() string { return k.id }

// Wrap implements keys.KEK.
func (k *KEK) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	if err := k.begin(ctx, "wrap", &k.wraps); err != nil {
		return nil, err
	}
	if len(dataKey) != keys.DataKeySize {
		return nil, fmt.Errorf("keystest: data key is not %d bytes", keys.DataKeySize)
	}
	return k.aead.Seal(dst, nil, dataKey, b.AAD()), nil
}

// Unwrap implements keys.KEK.
func (k *KEK) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	if err := k.begin(ctx, "unwrap", &k.unwraps); err != nil {
		return nil, err
	}
	out, err := k.aead.Open(dst, nil, wrapped, b.AAD())
	if err != nil {
		return nil, keys.ErrCorrupt
	}
	return out, nil
}

func (k *KEK) begin(ctx context.Context, op string, calls *int) error {
	k.mu.Lock()
	*calls++
	n, f := *calls, k.before
	k.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if f != nil {
		return f(ctx, op, n)
	}
	return nil
}
