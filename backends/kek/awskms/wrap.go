package awskms

import (
	"context"
	"crypto/subtle"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/cardseal/cardseal/backends/kek/internal/wrapped"
	"github.com/cardseal/cardseal/keys"
)

// maxWrapped is what an inline record holds of a wrapped data key, in bytes.
const maxWrapped = 4064

const symmetric = types.EncryptionAlgorithmSpecSymmetricDefault

// errForm is a wrapped data key that this package cannot have made. It needs no
// call to KMS.
var errForm = fmt.Errorf("awskms: not a data key that this backend wrapped: %w", keys.ErrCorrupt)

// Wrap has KMS encrypt a data key of exactly 32 bytes, and decrypt what came of
// it, and appends the wrapped form. dst must not overlap dataKey.
func (k *KEK) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	if err := k.use(ctx); err != nil {
		return nil, err
	}
	if len(dataKey) != keys.DataKeySize {
		return nil, &ParamError{"data key", fmt.Sprintf("must be %d bytes", keys.DataKeySize)}
	}
	bound, err := encryptionContext(b)
	if err != nil {
		return nil, err
	}
	arn := k.key.String()
	out, err := k.s.client.Encrypt(ctx, &kms.EncryptInput{
		KeyId: &arn, Plaintext: dataKey, EncryptionContext: bound, EncryptionAlgorithm: symmetric, GrantTokens: k.s.grants,
	})
	if err != nil {
		return nil, failed(ctx, encrypt, err)
	}
	if err := k.ours(encrypt, out.KeyId); err != nil {
		return nil, err
	}
	return k.sound(ctx, encrypt, dst, out.CiphertextBlob, dataKey, b, bound)
}

// GenerateDataKey has KMS make a data key, and decrypt its wrapped form, and
// appends it to dst.
func (k *KEK) GenerateDataKey(ctx context.Context, dst []byte, b keys.Binding) (dataKey, stored []byte, err error) {
	if err := k.use(ctx); err != nil {
		return nil, nil, err
	}
	bound, err := encryptionContext(b)
	if err != nil {
		return nil, nil, err
	}
	arn := k.key.String()
	out, err := k.s.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId: &arn, KeySpec: types.DataKeySpecAes256, EncryptionContext: bound, GrantTokens: k.s.grants,
	})
	if err != nil {
		return nil, nil, failed(ctx, generateDataKey, err)
	}
	defer clear(out.Plaintext)
	if err := k.ours(generateDataKey, out.KeyId); err != nil {
		return nil, nil, err
	}
	if len(out.Plaintext) != keys.DataKeySize {
		return nil, nil, wrong(generateDataKey, "its data key has another length")
	}
	stored, err = k.sound(ctx, generateDataKey, nil, out.CiphertextBlob, out.Plaintext, b, bound)
	if err != nil {
		return nil, nil, err
	}
	return append(dst, out.Plaintext...), stored, nil
}

// sound appends the stored form of a data key's ciphertext blob, once KMS has
// shown that the blob opens to the data key.
func (k *KEK) sound(ctx context.Context, permission string, dst, blob, dataKey []byte, b keys.Binding, bound map[string]string) ([]byte, error) {
	if err := fits(permission, blob); err != nil {
		return nil, err
	}
	check, err := wrapped.NewCheck(dataKey, b, nil)
	if err != nil {
		return nil, err
	}
	got, err := k.decrypt(ctx, blob, bound)
	if err != nil {
		return nil, err
	}
	defer clear(got)
	if subtle.ConstantTimeCompare(got, dataKey) != 1 {
		return nil, wrong(decrypt, "the new wrapped data key opens to another data key")
	}
	return wrapped.Append(dst, check, blob), nil
}

// Unwrap has KMS decrypt a wrapped data key and appends the data key. dst must
// not overlap stored.
func (k *KEK) Unwrap(ctx context.Context, dst, stored []byte, b keys.Binding) ([]byte, error) {
	check, blob, bound, err := k.open(ctx, stored, b)
	if err != nil {
		return nil, err
	}
	got, err := k.decrypt(ctx, blob, bound)
	if err != nil {
		return nil, err
	}
	defer clear(got)
	if !check.Matches(got, b, nil) {
		return nil, wrong(decrypt, "the data key is not the one that was wrapped")
	}
	return append(dst, got...), nil
}

// Rewrap has KMS move a wrapped data key to the key's newest material; the data
// key stays within KMS. dst must not overlap stored.
func (k *KEK) Rewrap(ctx context.Context, dst, stored []byte, b keys.Binding) ([]byte, error) {
	check, blob, bound, err := k.open(ctx, stored, b)
	if err != nil {
		return nil, err
	}
	arn := k.key.String()
	out, err := k.s.client.ReEncrypt(ctx, &kms.ReEncryptInput{
		CiphertextBlob: blob,
		SourceKeyId:    &arn, SourceEncryptionContext: bound, SourceEncryptionAlgorithm: symmetric,
		DestinationKeyId: &arn, DestinationEncryptionContext: bound, DestinationEncryptionAlgorithm: symmetric,
		GrantTokens: k.s.grants,
	})
	if err != nil {
		return nil, failed(ctx, reEncrypt, err)
	}
	if err := k.ours(reEncrypt, out.SourceKeyId); err != nil {
		return nil, err
	}
	if err := k.ours(reEncrypt, out.KeyId); err != nil {
		return nil, err
	}
	if err := fits(reEncrypt, out.CiphertextBlob); err != nil {
		return nil, err
	}
	return wrapped.Append(dst, check, out.CiphertextBlob), nil
}

// open takes the stored form apart, without a call.
func (k *KEK) open(ctx context.Context, stored []byte, b keys.Binding) (check wrapped.Check, blob []byte, bound map[string]string, err error) {
	if err := k.use(ctx); err != nil {
		return check, nil, nil, err
	}
	check, blob, ok := wrapped.Split(stored)
	if !ok || len(stored) > maxWrapped {
		return check, nil, nil, errForm
	}
	bound, err = encryptionContext(b)
	return check, blob, bound, err
}

// decrypt returns 32 bytes, which the caller wipes.
func (k *KEK) decrypt(ctx context.Context, blob []byte, bound map[string]string) ([]byte, error) {
	arn := k.key.String()
	out, err := k.s.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId: &arn, CiphertextBlob: blob, EncryptionContext: bound, EncryptionAlgorithm: symmetric, GrantTokens: k.s.grants,
	})
	if err != nil {
		return nil, failed(ctx, decrypt, err)
	}
	if err = k.ours(decrypt, out.KeyId); err == nil && len(out.Plaintext) != keys.DataKeySize {
		err = wrong(decrypt, "its data key has another length")
	}
	if err != nil {
		clear(out.Plaintext)
		return nil, err
	}
	return out.Plaintext, nil
}

// fits: the blob is there and can be stored.
func fits(permission string, blob []byte) error {
	switch {
	case len(blob) == 0:
		return incomplete(permission)
	case len(blob) > maxWrapped-wrapped.Overhead:
		return wrong(permission, "its ciphertext blob is too long")
	}
	return nil
}
