package gcpkms

import (
	"context"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

const (
	location = "projects/vault-test/locations/europe-west3"
	ringName = location + "/keyRings/cards"
)

// start serves the folder until the test ends or stop is called.
func start(t *testing.T, dir string) (c kmspb.KeyManagementServiceClient, stop func()) {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, lis, dir) }()
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		require.NoError(t, conn.Close())
		cancel()
		require.NoError(t, <-done)
	}
	t.Cleanup(stop)
	return kmspb.NewKeyManagementServiceClient(conn), stop
}

// makeKey makes the ring, if need be, and a key in it.
func makeKey(t *testing.T, c kmspb.KeyManagementServiceClient, name string, template *kmspb.CryptoKey) string {
	t.Helper()
	_, err := c.CreateKeyRing(t.Context(), &kmspb.CreateKeyRingRequest{Parent: location, KeyRingId: "cards"})
	if status.Code(err) != codes.AlreadyExists {
		require.NoError(t, err)
	}
	if template == nil {
		template = &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT}
	}
	k, err := c.CreateCryptoKey(t.Context(), &kmspb.CreateCryptoKeyRequest{Parent: ringName, CryptoKeyId: name, CryptoKey: template})
	require.NoError(t, err)
	require.Equal(t, ringName+"/cryptoKeys/"+name, k.GetName())
	return k.GetName()
}

func refused(t *testing.T, err error, code codes.Code, words string) {
	t.Helper()
	require.Equal(t, code, status.Code(err), "%v", err)
	require.Contains(t, status.Convert(err).Message(), words)
}

func setState(c kmspb.KeyManagementServiceClient, ctx context.Context, name string, to kmspb.CryptoKeyVersion_CryptoKeyVersionState) (*kmspb.CryptoKeyVersion, error) {
	return c.UpdateCryptoKeyVersion(ctx, &kmspb.UpdateCryptoKeyVersionRequest{
		CryptoKeyVersion: &kmspb.CryptoKeyVersion{Name: name, State: to},
		UpdateMask:       &fieldmaskpb.FieldMask{Paths: []string{"state"}},
	})
}

func TestRestartKeepsKeys(t *testing.T) {
	dir := t.TempDir()
	c, stop := start(t, dir)
	name := makeKey(t, c, "pan", nil)
	sealed, err := c.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: name, Plaintext: []byte("text")})
	require.NoError(t, err)
	_, err = c.CreateCryptoKeyVersion(t.Context(), &kmspb.CreateCryptoKeyVersionRequest{Parent: name})
	require.NoError(t, err)
	stop()

	info, err := os.Stat(filepath.Join(dir, fileName))
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	require.NoFileExists(t, filepath.Join(dir, fileName+".new"))

	c, _ = start(t, dir)
	opened, err := c.Decrypt(t.Context(), &kmspb.DecryptRequest{Name: name, Ciphertext: sealed.GetCiphertext()})
	require.NoError(t, err)
	require.Equal(t, "text", string(opened.GetPlaintext()))
	all, err := c.ListCryptoKeyVersions(t.Context(), &kmspb.ListCryptoKeyVersionsRequest{Parent: name})
	require.NoError(t, err)
	require.Len(t, all.GetCryptoKeyVersions(), 2)
}

func TestDamagedFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, fileName), []byte("{"), 0o600))
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.Error(t, Serve(t.Context(), lis, dir))
	_, err = lis.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestNobodyIsDenied(t *testing.T) {
	c, _ := start(t, t.TempDir())
	name := makeKey(t, c, "pan", nil)
	nobody := metadata.AppendToOutgoingContext(t.Context(), "x-test-caller", "nobody")
	_, err := c.Encrypt(nobody, &kmspb.EncryptRequest{Name: name})
	refused(t, err, codes.PermissionDenied, "Permission 'cloudkms.cryptoKeyVersions.useToEncrypt' denied on resource '"+name+"' (or it may not exist).")
	_, err = c.Decrypt(nobody, &kmspb.DecryptRequest{Name: name})
	refused(t, err, codes.PermissionDenied, "useToDecrypt")
	_, err = c.GetCryptoKey(nobody, &kmspb.GetCryptoKeyRequest{Name: name})
	refused(t, err, codes.PermissionDenied, "cloudkms.cryptoKeys.get")
	_, err = c.CreateKeyRing(nobody, &kmspb.CreateKeyRingRequest{})
	refused(t, err, codes.PermissionDenied, "CreateKeyRing")
}

func TestMakingKeys(t *testing.T) {
	c, _ := start(t, t.TempDir())
	ctx := t.Context()
	ask := func(parent, id string, k *kmspb.CryptoKey) error {
		_, err := c.CreateCryptoKey(ctx, &kmspb.CreateCryptoKeyRequest{Parent: parent, CryptoKeyId: id, CryptoKey: k})
		return err
	}
	plain := &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT}
	refused(t, ask(ringName, "pan", plain), codes.NotFound, "KeyRing")
	name := makeKey(t, c, "pan", plain)
	refused(t, ask(ringName, "pan", plain), codes.AlreadyExists, name)
	refused(t, ask(ringName, "a/b", plain), codes.InvalidArgument, "malformed")
	refused(t, ask(ringName, "x", nil), codes.InvalidArgument, "purpose")
	refused(t, ask(ringName, "x", &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_MAC}), codes.Unimplemented, "MAC")
	refused(t, ask(ringName, "x", &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT,
		VersionTemplate: &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: kmspb.ProtectionLevel_EXTERNAL}}), codes.Unimplemented, "EXTERNAL")

	k, err := c.GetCryptoKey(ctx, &kmspb.GetCryptoKeyRequest{Name: name})
	require.NoError(t, err)
	require.Equal(t, kmspb.CryptoKey_ENCRYPT_DECRYPT, k.GetPurpose())
	require.Equal(t, name+"/cryptoKeyVersions/1", k.GetPrimary().GetName())
	require.Equal(t, kmspb.CryptoKeyVersion_ENABLED, k.GetPrimary().GetState())
	require.Equal(t, kmspb.ProtectionLevel_SOFTWARE, k.GetPrimary().GetProtectionLevel())
	_, err = c.GetCryptoKey(ctx, &kmspb.GetCryptoKeyRequest{Name: name + "x"})
	refused(t, err, codes.NotFound, "not found")
	_, err = c.GetCryptoKey(ctx, &kmspb.GetCryptoKeyRequest{Name: "pan"})
	refused(t, err, codes.InvalidArgument, "pan")
	all, err := c.ListCryptoKeys(ctx, &kmspb.ListCryptoKeysRequest{Parent: ringName})
	require.NoError(t, err)
	require.Len(t, all.GetCryptoKeys(), 1)
	_, err = c.GetKeyRing(ctx, &kmspb.GetKeyRingRequest{Name: ringName})
	require.NoError(t, err)
}
