package gcpkms

import (
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestVersions(t *testing.T) {
	c, _ := start(t, t.TempDir())
	ctx := t.Context()
	name := makeKey(t, c, "pan", nil)
	first, second := name+"/cryptoKeyVersions/1", name+"/cryptoKeyVersions/2"
	encrypt := func() (*kmspb.EncryptResponse, error) {
		return c.Encrypt(ctx, &kmspb.EncryptRequest{Name: name, Plaintext: []byte("text")})
	}
	old, err := encrypt()
	require.NoError(t, err)
	require.Equal(t, first, old.GetName())
	opens := func() error {
		_, err := c.Decrypt(ctx, &kmspb.DecryptRequest{Name: name, Ciphertext: old.GetCiphertext()})
		return err
	}

	// A new version serves once it is primary; the old one still opens.
	v, err := c.CreateCryptoKeyVersion(ctx, &kmspb.CreateCryptoKeyVersionRequest{Parent: name})
	require.NoError(t, err)
	require.Equal(t, second, v.GetName())
	sealed, err := encrypt()
	require.NoError(t, err)
	require.Equal(t, first, sealed.GetName())
	_, err = c.UpdateCryptoKeyPrimaryVersion(ctx, &kmspb.UpdateCryptoKeyPrimaryVersionRequest{Name: name, CryptoKeyVersionId: "2"})
	require.NoError(t, err)
	sealed, err = encrypt()
	require.NoError(t, err)
	require.Equal(t, second, sealed.GetName())
	opened, err := c.Decrypt(ctx, &kmspb.DecryptRequest{Name: name, Ciphertext: old.GetCiphertext()})
	require.NoError(t, err)
	require.False(t, opened.GetUsedPrimary())
	_, err = c.UpdateCryptoKeyPrimaryVersion(ctx, &kmspb.UpdateCryptoKeyPrimaryVersionRequest{Name: name, CryptoKeyVersionId: "3"})
	refused(t, err, codes.NotFound, "/3 not found")

	// Disabled and enabled again.
	_, err = setState(c, ctx, first, kmspb.CryptoKeyVersion_DISABLED)
	require.NoError(t, err)
	refused(t, opens(), codes.FailedPrecondition, first+" is not enabled, current state is: DISABLED.")
	_, err = c.UpdateCryptoKeyPrimaryVersion(ctx, &kmspb.UpdateCryptoKeyPrimaryVersionRequest{Name: name, CryptoKeyVersionId: "1"})
	refused(t, err, codes.FailedPrecondition, "DISABLED")
	_, err = setState(c, ctx, first, kmspb.CryptoKeyVersion_ENABLED)
	require.NoError(t, err)
	require.NoError(t, opens())
	_, err = setState(c, ctx, first, kmspb.CryptoKeyVersion_DESTROYED)
	refused(t, err, codes.InvalidArgument, "DESTROYED")
	_, err = c.UpdateCryptoKeyVersion(ctx, &kmspb.UpdateCryptoKeyVersionRequest{CryptoKeyVersion: &kmspb.CryptoKeyVersion{Name: first}})
	refused(t, err, codes.InvalidArgument, "update_mask")

	// Scheduled for destruction, restored as disabled.
	v, err = c.DestroyCryptoKeyVersion(ctx, &kmspb.DestroyCryptoKeyVersionRequest{Name: first})
	require.NoError(t, err)
	require.Equal(t, kmspb.CryptoKeyVersion_DESTROY_SCHEDULED, v.GetState())
	require.Greater(t, v.GetDestroyTime().AsTime(), time.Now().Add(29*24*time.Hour))
	refused(t, opens(), codes.FailedPrecondition, "DESTROY_SCHEDULED")
	_, err = setState(c, ctx, first, kmspb.CryptoKeyVersion_ENABLED)
	refused(t, err, codes.FailedPrecondition, "DESTROY_SCHEDULED")
	v, err = c.RestoreCryptoKeyVersion(ctx, &kmspb.RestoreCryptoKeyVersionRequest{Name: first})
	require.NoError(t, err)
	require.Equal(t, kmspb.CryptoKeyVersion_DISABLED, v.GetState())
	_, err = c.RestoreCryptoKeyVersion(ctx, &kmspb.RestoreCryptoKeyVersionRequest{Name: first})
	refused(t, err, codes.FailedPrecondition, "DISABLED")
	_, err = c.DestroyCryptoKeyVersion(ctx, &kmspb.DestroyCryptoKeyVersionRequest{Name: second + "1"})
	refused(t, err, codes.NotFound, "not found")
}

// A primary that is disabled does not encrypt, nor does a key without versions.
func TestNoPrimary(t *testing.T) {
	c, _ := start(t, t.TempDir())
	ctx := t.Context()
	name := makeKey(t, c, "pan", nil)
	_, err := setState(c, ctx, name+"/cryptoKeyVersions/1", kmspb.CryptoKeyVersion_DISABLED)
	require.NoError(t, err)
	_, err = c.Encrypt(ctx, &kmspb.EncryptRequest{Name: name})
	refused(t, err, codes.FailedPrecondition, "DISABLED")

	bare, err := c.CreateCryptoKey(ctx, &kmspb.CreateCryptoKeyRequest{Parent: ringName, CryptoKeyId: "bare",
		CryptoKey: &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT}, SkipInitialVersionCreation: true})
	require.NoError(t, err)
	require.Nil(t, bare.GetPrimary())
	_, err = c.Encrypt(ctx, &kmspb.EncryptRequest{Name: bare.GetName()})
	refused(t, err, codes.FailedPrecondition, "no primary")
	_, err = c.CreateCryptoKeyVersion(ctx, &kmspb.CreateCryptoKeyVersionRequest{Parent: bare.GetName()})
	require.NoError(t, err)
	_, err = c.Encrypt(ctx, &kmspb.EncryptRequest{Name: bare.GetName()})
	require.NoError(t, err)
}

// Destroyed is for good, and the file no longer has the key.
func TestDestroyed(t *testing.T) {
	dir := t.TempDir()
	c, _ := start(t, dir)
	ctx := t.Context()
	name := makeKey(t, c, "pan", &kmspb.CryptoKey{
		Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT, DestroyScheduledDuration: durationpb.New(0),
	})
	sealed, err := c.Encrypt(ctx, &kmspb.EncryptRequest{Name: name, Plaintext: []byte("text")})
	require.NoError(t, err)
	v, err := c.DestroyCryptoKeyVersion(ctx, &kmspb.DestroyCryptoKeyVersionRequest{Name: name + "/cryptoKeyVersions/1"})
	require.NoError(t, err)
	require.Equal(t, kmspb.CryptoKeyVersion_DESTROYED, v.GetState())
	_, err = c.Decrypt(ctx, &kmspb.DecryptRequest{Name: name, Ciphertext: sealed.GetCiphertext()})
	refused(t, err, codes.FailedPrecondition, "DESTROYED")
	_, err = c.RestoreCryptoKeyVersion(ctx, &kmspb.RestoreCryptoKeyVersionRequest{Name: name + "/cryptoKeyVersions/1"})
	refused(t, err, codes.FailedPrecondition, "DESTROYED")
	s, err := openState(dir)
	require.NoError(t, err)
	require.Empty(t, s.data.Keys[name].Versions[0].Material)
}
