package gcpkms

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cardseal/cardseal/keys"
)

var (
	testKey     = bytes.Repeat([]byte{0xa5, 0x3c, 0x71, 0xee}, 8)
	testBinding = keys.Binding{
		Environment: "production", Scope: "shop-eu", Purpose: keys.PAN,
		KeyID: keys.KeyID{1, 2, 3}, Created: time.Unix(1_700_000_000, 0),
	}
)

func flip(p []byte) { p[len(p)-1] ^= 1 }

func bend(sum *wrapperspb.Int64Value) { sum.Value ^= 1 }

// What happens on the way to or from the KMS, field by field.
var altered = []struct {
	field, what    string // of the ChecksumError
	encryptRequest func(r *kmspb.EncryptRequest)
	encryptAnswer  func(r *kmspb.EncryptResponse)
	decryptRequest func(r *kmspb.DecryptRequest)
	decryptAnswer  func(r *kmspb.DecryptResponse)
}{
	{field: "request", what: "data key flipped", encryptRequest: func(r *kmspb.EncryptRequest) { flip(r.Plaintext) }},
	{field: "request", what: "its checksum altered", encryptRequest: func(r *kmspb.EncryptRequest) { bend(r.PlaintextCrc32C) }},
	{field: "verified_plaintext_crc32c", what: "its checksum lost", encryptRequest: func(r *kmspb.EncryptRequest) { r.PlaintextCrc32C = nil }},
	{field: "request", what: "data key lost", encryptRequest: func(r *kmspb.EncryptRequest) { r.Plaintext = nil }},
	{field: "request", what: "binding flipped", encryptRequest: func(r *kmspb.EncryptRequest) { flip(r.AdditionalAuthenticatedData) }},
	{field: "request", what: "binding lost", encryptRequest: func(r *kmspb.EncryptRequest) { r.AdditionalAuthenticatedData = nil }},
	{field: "request", what: "binding's checksum altered", encryptRequest: func(r *kmspb.EncryptRequest) { bend(r.AdditionalAuthenticatedDataCrc32C) }},
	{field: "verified_additional_authenticated_data_crc32c", what: "binding's checksum lost", encryptRequest: func(r *kmspb.EncryptRequest) { r.AdditionalAuthenticatedDataCrc32C = nil }},
	{field: "name", what: "another key asked", encryptRequest: func(r *kmspb.EncryptRequest) { r.Name += "x" }},

	{field: "verified_plaintext_crc32c", what: "not verified", encryptAnswer: func(r *kmspb.EncryptResponse) { r.VerifiedPlaintextCrc32C = false }},
	{field: "verified_additional_authenticated_data_crc32c", what: "binding not verified", encryptAnswer: func(r *kmspb.EncryptResponse) { r.VerifiedAdditionalAuthenticatedDataCrc32C = false }},
	{field: "ciphertext_crc32c", what: "ciphertext flipped", encryptAnswer: func(r *kmspb.EncryptResponse) { flip(r.Ciphertext) }},
	{field: "ciphertext_crc32c", what: "ciphertext cut", encryptAnswer: func(r *kmspb.EncryptResponse) { r.Ciphertext = r.Ciphertext[1:] }},
	{field: "ciphertext_crc32c", what: "ciphertext's checksum altered", encryptAnswer: func(r *kmspb.EncryptResponse) { bend(r.CiphertextCrc32C) }},
	{field: "ciphertext_crc32c", what: "ciphertext's checksum too large", encryptAnswer: func(r *kmspb.EncryptResponse) { r.CiphertextCrc32C.Value += 1 << 32 }},
	{field: "ciphertext_crc32c", what: "ciphertext's checksum lost", encryptAnswer: func(r *kmspb.EncryptResponse) { r.CiphertextCrc32C = nil }},
	{field: "ciphertext", what: "no ciphertext", encryptAnswer: func(r *kmspb.EncryptResponse) { r.Ciphertext, r.CiphertextCrc32C = nil, crc(nil) }},
	{field: "ciphertext", what: "ciphertext too long", encryptAnswer: func(r *kmspb.EncryptResponse) {
		r.Ciphertext = make([]byte, maxCipher+1)
		r.CiphertextCrc32C = crc(r.Ciphertext)
	}},
	{field: "name", what: "another key answers", encryptAnswer: func(r *kmspb.EncryptResponse) { r.Name = strings.Replace(r.Name, "/pan/", "/cvc/", 1) }},
	{field: "name", what: "version left out", encryptAnswer: func(r *kmspb.EncryptResponse) { r.Name = testName }},
	{field: "name", what: "version zero", encryptAnswer: func(r *kmspb.EncryptResponse) { r.Name = testName + "/cryptoKeyVersions/0" }},
	{field: "name", what: "no name", encryptAnswer: func(r *kmspb.EncryptResponse) { r.Name = "" }},
	{field: "protection_level", what: "protection level too large", encryptAnswer: func(r *kmspb.EncryptResponse) { r.ProtectionLevel = 256 }},
	{field: "protection_level", what: "protection level negative", encryptAnswer: func(r *kmspb.EncryptResponse) { r.ProtectionLevel = -1 }},

	{field: "request", what: "ciphertext flipped", decryptRequest: func(r *kmspb.DecryptRequest) { flip(r.Ciphertext) }},
	{field: "request", what: "ciphertext's checksum altered", decryptRequest: func(r *kmspb.DecryptRequest) { bend(r.CiphertextCrc32C) }},
	{field: "request", what: "binding flipped", decryptRequest: func(r *kmspb.DecryptRequest) { flip(r.AdditionalAuthenticatedData) }},
	{field: "request", what: "binding's checksum altered", decryptRequest: func(r *kmspb.DecryptRequest) { bend(r.AdditionalAuthenticatedDataCrc32C) }},

	{field: "plaintext_crc32c", what: "data key flipped", decryptAnswer: func(r *kmspb.DecryptResponse) { flip(r.Plaintext) }},
	{field: "plaintext_crc32c", what: "data key lost", decryptAnswer: func(r *kmspb.DecryptResponse) { r.Plaintext = nil }},
	{field: "plaintext_crc32c", what: "its checksum altered", decryptAnswer: func(r *kmspb.DecryptResponse) { bend(r.PlaintextCrc32C) }},
	{field: "plaintext_crc32c", what: "its checksum lost", decryptAnswer: func(r *kmspb.DecryptResponse) { r.PlaintextCrc32C = nil }},
}

// Altered once or twice, the call is made again and succeeds; altered always, it
// is ErrCorrupt after the third try, and nothing is kept of what came.
func TestAlteredOnTheWay(t *testing.T) {
	for _, c := range altered {
		for _, times := range []int64{1, 2, 1 << 30} {
			f := &fake{}
			k := f.serve(t)
			form, err := k.Wrap(t.Context(), nil, testKey, testBinding)
			require.NoError(t, err)
			f.calls.Store(0)
			name := "wrap"
			if c.encryptRequest != nil {
				f.encryptRequest = func(n int64, r *kmspb.EncryptRequest) error {
					if n <= times {
						c.encryptRequest(r)
					}
					return nil
				}
			}
			if c.encryptAnswer != nil {
				f.encryptAnswer = func(n int64, r *kmspb.EncryptResponse) {
					if n <= times {
						c.encryptAnswer(r)
					}
				}
			}
			call := func(dst []byte) ([]byte, error) { return k.Wrap(t.Context(), dst, testKey, testBinding) }
			if c.decryptRequest != nil || c.decryptAnswer != nil {
				name = "unwrap"
				call = func(dst []byte) ([]byte, error) { return k.Unwrap(t.Context(), dst, form, testBinding) }
			}
			if c.decryptRequest != nil {
				f.decryptRequest = func(n int64, r *kmspb.DecryptRequest) error {
					if n <= times {
						c.decryptRequest(r)
					}
					return nil
				}
			}
			if c.decryptAnswer != nil {
				f.decryptAnswer = func(n int64, r *kmspb.DecryptResponse) {
					if n <= times {
						c.decryptAnswer(r)
					}
				}
			}
			name += ": " + c.what
			dst := append(make([]byte, 0, 256), "dst"...)
			got, err := call(dst)
			if times <= 2 {
				require.NoError(t, err, name)
				require.Equal(t, times+1, f.calls.Load(), name)
				want := slices.Concat(dst, testKey)
				if strings.HasPrefix(name, "wrap") {
					got, err = k.Unwrap(t.Context(), slices.Clone(dst), got[len(dst):], testBinding)
					require.NoError(t, err, name)
				}
				require.Equal(t, want, got, name)
				continue
			}
			require.Equal(t, int64(tries), f.calls.Load(), name)
			require.Nil(t, got, name)
			require.ErrorIs(t, err, keys.ErrCorrupt, name)
			var sum *ChecksumError
			require.ErrorAs(t, err, &sum, name)
			require.Equal(t, c.field, sum.Field, name)
			require.Equal(t, make([]byte, 253), dst[3:256], name)
		}
	}
}

// An answer that fits its checksums and is yet another data key, or one of another
// length, is found by the check value, without another try.
func TestAnotherDataKey(t *testing.T) {
	for _, other := range [][]byte{nil, make([]byte, 32), testKey[:31], slices.Concat(testKey, testKey)} {
		f := &fake{}
		k := f.serve(t)
		form, err := k.Wrap(t.Context(), nil, testKey, testBinding)
		require.NoError(t, err)
		f.calls.Store(0)
		f.decryptAnswer = func(_ int64, r *kmspb.DecryptResponse) { r.Plaintext, r.PlaintextCrc32C = other, crc(other) }
		got, err := k.Unwrap(t.Context(), nil, form, testBinding)
		require.ErrorIs(t, err, keys.ErrCorrupt)
		require.ErrorIs(t, err, errCheck)
		require.Nil(t, got)
		require.Equal(t, int64(1), f.calls.Load())
	}
}

// A wrong checksum is tried again within the caller's context only.
func TestAlteredUntilCancelled(t *testing.T) {
	f := &fake{}
	k := f.serve(t)
	ctx, cancel := contextOf(t)
	f.encryptAnswer = func(_ int64, r *kmspb.EncryptResponse) {
		r.CiphertextCrc32C = nil
	}
	calls := 0
	err := k.try(ctx, callEncrypt, func() (string, error) {
		calls++
		cancel()
		return "ciphertext_crc32c", nil
	})
	require.ErrorIs(t, err, ctx.Err())
	require.Equal(t, 1, calls)
}

func TestChecksumIsCastagnoli(t *testing.T) {
	require.Equal(t, int64(0xe3069283), crc([]byte("123456789")).GetValue())
	require.True(t, matches(crc(nil), nil))
	require.False(t, matches(nil, nil), "a checksum that was not sent is none of zero")
}
