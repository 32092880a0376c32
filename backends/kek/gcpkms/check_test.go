package gcpkms

import (
	"context"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cardseal/cardseal/keys"
)

func TestCheck(t *testing.T) {
	f := &fake{}
	k := f.serve(t)
	require.NoError(t, k.Check(t.Context()))
	require.Equal(t, int64(3), f.calls.Load())

	// Without the permission to look at the key it is tried all the same.
	f.get = func() (*kmspb.CryptoKey, error) { return nil, status.Error(codes.PermissionDenied, "no") }
	f.calls.Store(0)
	require.NoError(t, k.Check(t.Context()))
	require.Equal(t, int64(3), f.calls.Load())
	f.before = func(context.Context) error { return status.Error(codes.PermissionDenied, "nothing allowed") }
	var failed *keys.CallError
	require.ErrorAs(t, k.Check(t.Context()), &failed)
	require.Equal(t, keys.ErrDenied, failed.Kind)
	require.Equal(t, callEncrypt, failed.Call)
}

// A key that cannot serve says why, in words.
func TestCheckOfAnUnfitKey(t *testing.T) {
	for words, change := range map[string]func(key *kmspb.CryptoKey){
		"purpose is MAC":              func(key *kmspb.CryptoKey) { key.Purpose = kmspb.CryptoKey_MAC },
		"purpose is RAW_":             func(key *kmspb.CryptoKey) { key.Purpose = kmspb.CryptoKey_RAW_ENCRYPT_DECRYPT },
		"no primary version":          func(key *kmspb.CryptoKey) { key.Primary = nil },
		"primary version is DISABLED": func(key *kmspb.CryptoKey) { key.Primary.State = kmspb.CryptoKeyVersion_DISABLED },
	} {
		f := &fake{get: func() (*kmspb.CryptoKey, error) {
			key := soundKey(testName)
			change(key)
			return key, nil
		}}
		err := f.serve(t).Check(t.Context())
		require.ErrorIs(t, err, keys.ErrDisabled)
		require.ErrorContains(t, err, words)
		require.ErrorContains(t, err, callGet)
	}
	f := &fake{get: func() (*kmspb.CryptoKey, error) { return soundKey(testName + "x"), nil }}
	require.ErrorIs(t, f.serve(t).Check(t.Context()), keys.ErrCorrupt)
}

// A KMS that gives back another data key is found out.
func TestCheckOfAnotherDataKey(t *testing.T) {
	f := &fake{decryptAnswer: func(_ int64, r *kmspb.DecryptResponse) {
		flip(r.Plaintext)
		r.PlaintextCrc32C = crc(r.Plaintext)
	}}
	require.ErrorIs(t, f.serve(t).Check(t.Context()), keys.ErrCorrupt)
}
