package kmskeytest

import (
	"strings"
	"testing"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// GoogleOptions reach a server without TLS.
func GoogleOptions(addr string) []option.ClientOption {
	return []option.ClientOption{
		option.WithEndpoint(addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())),
	}
}

// Google makes a key in the server that stands in for Google Cloud KMS.
func Google(t testing.TB) *Key {
	t.Helper()
	server := kmstest.Need(t, kmstest.GCPKMS)
	client, err := kms.NewKeyManagementClient(t.Context(), GoogleOptions(server.Addr())...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	ring, err := client.CreateKeyRing(t.Context(), &kmspb.CreateKeyRingRequest{
		Parent: "projects/vault-test/locations/global", KeyRingId: "ring-" + random(),
	})
	require.NoError(t, err)
	key, err := client.CreateCryptoKey(t.Context(), &kmspb.CreateCryptoKeyRequest{
		Parent: ring.GetName(), CryptoKeyId: "kek", CryptoKey: &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT},
	})
	require.NoError(t, err)
	set := func(state kmspb.CryptoKeyVersion_CryptoKeyVersionState) {
		for v, err := range client.ListCryptoKeyVersions(t.Context(), &kmspb.ListCryptoKeyVersionsRequest{Parent: key.GetName()}).All() {
			require.NoError(t, err)
			v.State = state
			_, err = client.UpdateCryptoKeyVersion(t.Context(), &kmspb.UpdateCryptoKeyVersionRequest{
				CryptoKeyVersion: v, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}},
			})
			require.NoError(t, err)
		}
	}
	return &Key{
		URI: "gcp-kms://" + key.GetName(), ID: key.GetName(), Missing: "gcp-kms://" + key.GetName() + "-2",
		Env:     map[string]string{"CARDSEAL_GCP_KMS_ENDPOINT": server.Addr()},
		Disable: func() { set(kmspb.CryptoKeyVersion_DISABLED) },
		Enable:  func() { set(kmspb.CryptoKeyVersion_ENABLED) },
		Rotate: func() {
			v, err := client.CreateCryptoKeyVersion(t.Context(), &kmspb.CreateCryptoKeyVersionRequest{Parent: key.GetName()})
			require.NoError(t, err)
			_, err = client.UpdateCryptoKeyPrimaryVersion(t.Context(), &kmspb.UpdateCryptoKeyPrimaryVersionRequest{
				Name: key.GetName(), CryptoKeyVersionId: v.GetName()[strings.LastIndexByte(v.GetName(), '/')+1:],
			})
			require.NoError(t, err)
		},
	}
}
