package gcpkms

import (
	"bytes"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestThereAndBack(t *testing.T) {
	c, _ := start(t, t.TempDir())
	for level, template := range map[kmspb.ProtectionLevel]*kmspb.CryptoKey{
		kmspb.ProtectionLevel_SOFTWARE: nil,
		kmspb.ProtectionLevel_HSM: {Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT,
			VersionTemplate: &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: kmspb.ProtectionLevel_HSM}},
	} {
		name := makeKey(t, c, level.String(), template)
		text, aad := []byte("a data key"), []byte("its binding")
		sealed, err := c.Encrypt(t.Context(), &kmspb.EncryptRequest{
			Name: name, Plaintext: text, PlaintextCrc32C: crc(text),
			AdditionalAuthenticatedData: aad, AdditionalAuthenticatedDataCrc32C: crc(aad),
		})
		require.NoError(t, err)
		require.Equal(t, name+"/cryptoKeyVersions/1", sealed.GetName())
		require.True(t, sealed.GetVerifiedPlaintextCrc32C())
		require.True(t, sealed.GetVerifiedAdditionalAuthenticatedDataCrc32C())
		require.Equal(t, crc(sealed.GetCiphertext()).GetValue(), sealed.GetCiphertextCrc32C().GetValue())
		require.Equal(t, level, sealed.GetProtectionLevel())

		opened, err := c.Decrypt(t.Context(), &kmspb.DecryptRequest{
			Name: name, Ciphertext: sealed.GetCiphertext(), CiphertextCrc32C: crc(sealed.GetCiphertext()),
			AdditionalAuthenticatedData: aad, AdditionalAuthenticatedDataCrc32C: crc(aad),
		})
		require.NoError(t, err)
		require.Equal(t, text, opened.GetPlaintext())
		require.Equal(t, crc(text).GetValue(), opened.GetPlaintextCrc32C().GetValue())
		require.True(t, opened.GetUsedPrimary())
		require.Equal(t, level, opened.GetProtectionLevel())
	}
}

// Checksums are said to be verified only where they were sent.
func TestNoChecksumSent(t *testing.T) {
	c, _ := start(t, t.TempDir())
	sealed, err := c.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: makeKey(t, c, "pan", nil), Plaintext: []byte("text")})
	require.NoError(t, err)
	require.False(t, sealed.GetVerifiedPlaintextCrc32C())
	require.False(t, sealed.GetVerifiedAdditionalAuthenticatedDataCrc32C())
	require.NotNil(t, sealed.GetCiphertextCrc32C())
}

func TestWrongChecksum(t *testing.T) {
	c, _ := start(t, t.TempDir())
	name := makeKey(t, c, "pan", nil)
	sealed, err := c.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: name})
	require.NoError(t, err)
	for _, wrong := range []int64{-1, 1, 1 << 32} {
		sum := wrapperspb.Int64(wrong)
		_, err := c.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: name, PlaintextCrc32C: sum})
		refused(t, err, codes.InvalidArgument, "field plaintext_crc32c")
		_, err = c.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: name, AdditionalAuthenticatedDataCrc32C: sum})
		refused(t, err, codes.InvalidArgument, "field additional_authenticated_data_crc32c")
		_, err = c.Decrypt(t.Context(), &kmspb.DecryptRequest{Name: name, Ciphertext: sealed.GetCiphertext(), CiphertextCrc32C: sum})
		refused(t, err, codes.InvalidArgument, "field ciphertext_crc32c")
		_, err = c.Decrypt(t.Context(), &kmspb.DecryptRequest{Name: name, Ciphertext: sealed.GetCiphertext(), AdditionalAuthenticatedDataCrc32C: sum})
		refused(t, err, codes.InvalidArgument, "field additional_authenticated_data_crc32c")
	}
}

// CRC32C of nine digits, as RFC 3720 and every catalogue has it.
func TestChecksumIsCastagnoli(t *testing.T) {
	require.Equal(t, int64(0xe3069283), crc([]byte("123456789")).GetValue())
}

func TestRefusedCiphertexts(t *testing.T) {
	c, _ := start(t, t.TempDir())
	name, other := makeKey(t, c, "pan", nil), makeKey(t, c, "cvc", nil)
	aad := []byte("its binding")
	sealed, err := c.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: name, Plaintext: []byte("text"), AdditionalAuthenticatedData: aad})
	require.NoError(t, err)
	good := sealed.GetCiphertext()
	open := func(name string, in, aad []byte) error {
		_, err := c.Decrypt(t.Context(), &kmspb.DecryptRequest{Name: name, Ciphertext: in, AdditionalAuthenticatedData: aad})
		return err
	}
	require.NoError(t, open(name, good, aad))
	refused(t, open(name, good, []byte("another")), codes.InvalidArgument, "Decryption failed.")
	refused(t, open(name, good, nil), codes.InvalidArgument, "Decryption failed.")
	refused(t, open(name, nil, aad), codes.InvalidArgument, "the ciphertext is invalid")
	refused(t, open(other, good, aad), codes.InvalidArgument, "verify that 'name' refers to the correct CryptoKey")
	refused(t, open(name+"x", good, aad), codes.NotFound, "not found")
	for n := range good {
		altered := bytes.Clone(good)
		altered[n] ^= 1
		refused(t, open(name, altered, aad), codes.InvalidArgument, "Decryption failed")
		refused(t, open(name, good[:n], aad), codes.InvalidArgument, "Decryption failed")
	}
}

func TestSizes(t *testing.T) {
	c, _ := start(t, t.TempDir())
	soft := makeKey(t, c, "soft", nil)
	hard := makeKey(t, c, "hard", &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT,
		VersionTemplate: &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: kmspb.ProtectionLevel_HSM}})
	for _, size := range []struct {
		name      string
		text, aad int
		fits      bool
	}{
		{soft, 64 << 10, 64 << 10, true},
		{soft, 64<<10 + 1, 0, false},
		{soft, 0, 64<<10 + 1, false},
		{hard, 4 << 10, 4 << 10, true},
		{hard, 4 << 10, 4<<10 + 1, false},
		{hard, 8<<10 + 1, 0, false},
	} {
		sealed, err := c.Encrypt(t.Context(), &kmspb.EncryptRequest{
			Name: size.name, Plaintext: make([]byte, size.text), AdditionalAuthenticatedData: make([]byte, size.aad),
		})
		if !size.fits {
			refused(t, err, codes.InvalidArgument, "bytes")
			continue
		}
		require.NoError(t, err)
		_, err = c.Decrypt(t.Context(), &kmspb.DecryptRequest{
			Name: size.name, Ciphertext: sealed.GetCiphertext(), AdditionalAuthenticatedData: make([]byte, size.aad),
		})
		require.NoError(t, err)
	}
}
