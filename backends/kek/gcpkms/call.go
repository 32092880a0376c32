package gcpkms

import (
	"context"
	"hash/crc32"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// What a caller must be allowed, as Google's permissions are named.
const (
	callEncrypt = "cloudkms.cryptoKeyVersions.useToEncrypt"
	callDecrypt = "cloudkms.cryptoKeyVersions.useToDecrypt"
	callGet     = "cloudkms.cryptoKeys.get"
)

// tries is how often a call is made whose checksums do not match.
const tries = 3

// once switches off the retries of the client: the manager retries.
func once() gax.CallOption { return gax.WithRetry(nil) }

// crc is CRC32C (Castagnoli) in the form of Google's messages.
func crc(p []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli))))
}

// matches reports whether the KMS sent the checksum of p. None is not the right one.
func matches(sum *wrapperspb.Int64Value, p []byte) bool {
	return sum != nil && sum.GetValue() == crc(p).GetValue()
}

func (k *KEK) encrypt(ctx context.Context, dataKey, aad []byte) (body, error) {
	request := &kmspb.EncryptRequest{
		Name: k.name, Plaintext: dataKey, PlaintextCrc32C: crc(dataKey),
		AdditionalAuthenticatedData: aad, AdditionalAuthenticatedDataCrc32C: crc(aad),
	}
	var sealed body
	err := k.try(ctx, callEncrypt, func() (field string, err error) {
		r, err := k.client.Encrypt(ctx, request, once())
		if err != nil {
			return "", err
		}
		sealed, field = k.sealed(r)
		return field, nil
	})
	if err != nil {
		return body{}, err
	}
	return sealed, nil
}

// sealed takes an answer apart, or names the field that was altered on the way.
func (k *KEK) sealed(r *kmspb.EncryptResponse) (body, string) {
	version, ours := versionOf(k.name, r.GetName())
	level := r.GetProtectionLevel()
	switch {
	case !r.GetVerifiedPlaintextCrc32C():
		return body{}, "verified_plaintext_crc32c"
	case !r.GetVerifiedAdditionalAuthenticatedDataCrc32C():
		return body{}, "verified_additional_authenticated_data_crc32c"
	case !matches(r.GetCiphertextCrc32C(), r.GetCiphertext()):
		return body{}, "ciphertext_crc32c"
	case len(r.GetCiphertext()) == 0 || len(r.GetCiphertext()) > maxCipher:
		return body{}, "ciphertext"
	case !ours:
		return body{}, "name"
	case level < 0 || level > 255:
		return body{}, "protection_level"
	}
	return body{version: version, level: uint8(level), ciphertext: r.GetCiphertext()}, ""
}

// decrypt returns the plaintext, of any length; the caller wipes it.
func (k *KEK) decrypt(ctx context.Context, ciphertext, aad []byte) ([]byte, error) {
	request := &kmspb.DecryptRequest{
		Name: k.name, Ciphertext: ciphertext, CiphertextCrc32C: crc(ciphertext),
		AdditionalAuthenticatedData: aad, AdditionalAuthenticatedDataCrc32C: crc(aad),
	}
	var opened []byte
	err := k.try(ctx, callDecrypt, func() (field string, err error) {
		r, err := k.client.Decrypt(ctx, request, once())
		if err != nil {
			return "", err
		}
		if !matches(r.GetPlaintextCrc32C(), r.GetPlaintext()) {
			clear(r.GetPlaintext())
			return "plaintext_crc32c", nil
		}
		opened = r.GetPlaintext()
		return "", nil
	})
	return opened, err
}

// try makes a call, again while its checksums are wrong. ask names the field that
// the KMS sent and that is wrong, or returns the client's error.
func (k *KEK) try(ctx context.Context, call string, ask func() (field string, err error)) error {
	for n := 1; ; n++ {
		field, err := ask()
		if err == nil && field == "" {
			return nil
		}
		if err != nil && !refusedChecksum(err) {
			return k.failed(ctx, call, err)
		}
		if ctx.Err() != nil {
			return k.failed(ctx, call, err)
		}
		if n == tries {
			return mismatch(call, field, err)
		}
	}
}
