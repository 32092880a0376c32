package gcpkms

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"hash/crc32"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Sizes in bytes. A ciphertext is the form (1), the version's mark (8), nonce (12),
// ciphertext and tag (16).
const (
	maxText     = 64 << 10 // of plaintext, and of additional data
	maxHSM      = 8 << 10  // of both together, in an HSM
	cipherForm  = 0x0a
	markSize    = 8
	gcmOverhead = 12 + 16
)

// Encrypt takes the name of a key, whose primary version serves, or of a version.
func (s *service) Encrypt(_ context.Context, r *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	if err := checksum("plaintext", r.GetPlaintextCrc32C(), r.GetPlaintext()); err != nil {
		return nil, err
	}
	if err := checksum("additional_authenticated_data", r.GetAdditionalAuthenticatedDataCrc32C(), r.GetAdditionalAuthenticatedData()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, name, number, err := s.toEncrypt(r.GetName())
	if err != nil {
		return nil, err
	}
	if err := k.fits("plaintext", len(r.GetPlaintext()), len(r.GetAdditionalAuthenticatedData())); err != nil {
		return nil, err
	}
	v := k.Versions[number-1]
	aead, err := newAEAD(v.Material)
	if err != nil {
		return nil, err
	}
	// One in sixteen checksums is a byte shorter on the wire. Such a ciphertext is
	// thrown away, so that answers have one length (see Serve).
	var out []byte
	for len(out) == 0 || crc(out).GetValue() < 1<<28 {
		out = append([]byte{cipherForm}, v.Mark...)
		out = aead.Seal(out, nil, r.GetPlaintext(), r.GetAdditionalAuthenticatedData())
	}
	return &kmspb.EncryptResponse{
		Name: versionName(name, number), Ciphertext: out, CiphertextCrc32C: crc(out),
		VerifiedPlaintextCrc32C:                   r.GetPlaintextCrc32C() != nil,
		VerifiedAdditionalAuthenticatedDataCrc32C: r.GetAdditionalAuthenticatedDataCrc32C() != nil,
		ProtectionLevel:                           k.Level,
	}, nil
}

func (s *service) toEncrypt(name string) (k *key, keyName string, number int, err error) {
	if versionForm.MatchString(name) {
		k, keyName, number, err = s.version(name)
	} else if k, err = s.key(name); err == nil {
		keyName, number = name, k.Primary
	}
	if err != nil {
		return nil, "", 0, err
	}
	if number == 0 {
		return nil, "", 0, status.Errorf(codes.FailedPrecondition, "CryptoKey %s has no primary version.", keyName)
	}
	return k, keyName, number, k.usable(keyName, number)
}

// Decrypt takes the name of a key and finds the version by the ciphertext.
func (s *service) Decrypt(_ context.Context, r *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	if err := checksum("ciphertext", r.GetCiphertextCrc32C(), r.GetCiphertext()); err != nil {
		return nil, err
	}
	if err := checksum("additional_authenticated_data", r.GetAdditionalAuthenticatedDataCrc32C(), r.GetAdditionalAuthenticatedData()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.key(r.GetName())
	if err != nil {
		return nil, err
	}
	in := r.GetCiphertext()
	if len(in) < 1+markSize+gcmOverhead || in[0] != cipherForm {
		return nil, status.Error(codes.InvalidArgument, "Decryption failed: the ciphertext is invalid.")
	}
	if err := k.fits("ciphertext", len(in)-1-markSize-gcmOverhead, len(r.GetAdditionalAuthenticatedData())); err != nil {
		return nil, err
	}
	number := k.marked(in[1 : 1+markSize])
	if number == 0 {
		return nil, status.Error(codes.InvalidArgument, "Decryption failed: verify that 'name' refers to the correct CryptoKey.")
	}
	if err := k.usable(r.GetName(), number); err != nil {
		return nil, err
	}
	aead, err := newAEAD(k.Versions[number-1].Material)
	if err != nil {
		return nil, err
	}
	out, err := aead.Open(nil, nil, in[1+markSize:], r.GetAdditionalAuthenticatedData())
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, "Decryption failed.")
	}
	return &kmspb.DecryptResponse{
		Plaintext: out, PlaintextCrc32C: crc(out),
		UsedPrimary: number == k.Primary, ProtectionLevel: k.Level,
	}, nil
}

// marked is the number of the version that a ciphertext names, or 0.
func (k *key) marked(mark []byte) int {
	for i, v := range k.Versions {
		if bytes.Equal(v.Mark, mark) {
			return i + 1
		}
	}
	return 0
}

func (k *key) fits(field string, text, aad int) error {
	switch {
	case k.Level == kmspb.ProtectionLevel_HSM && text+aad > maxHSM:
		return status.Errorf(codes.InvalidArgument, "%s and additional_authenticated_data have %d bytes together, an HSM takes %d.", field, text+aad, maxHSM)
	case text > maxText:
		return status.Errorf(codes.InvalidArgument, "%s has %d bytes too many.", field, text-maxText)
	case aad > maxText:
		return status.Errorf(codes.InvalidArgument, "additional_authenticated_data has %d bytes too many.", aad-maxText)
	}
	return nil
}

// checksum refuses a field that does not fit the checksum sent with it. None sent
// is none to fit.
func checksum(field string, sum *wrapperspb.Int64Value, content []byte) error {
	if sum == nil || sum.GetValue() == crc(content).GetValue() {
		return nil
	}
	return status.Errorf(codes.InvalidArgument, "The checksum in field %s_crc32c did not match the data in field %s.", field, field)
}

func crc(content []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli))))
}

func newAEAD(material []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(material)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	return aead, nil
}
