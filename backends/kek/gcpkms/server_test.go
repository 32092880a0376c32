package gcpkms

import (
	"crypto/rand"
	"strings"
	"testing"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

// admin is who makes keys and changes them, in a ring of this test's own.
type admin struct {
	t      *testing.T
	client *kms.KeyManagementClient
	ring   string
}

const serverLocation = "projects/vault-test/locations/global"

func newAdmin(t *testing.T, addr string) *admin {
	t.Helper()
	a := &admin{t: t, client: dial(t, addr)}
	id := "test-" + rand.Text()
	ring, err := a.client.CreateKeyRing(t.Context(), &kmspb.CreateKeyRingRequest{Parent: serverLocation, KeyRingId: id})
	require.NoError(t, err)
	a.ring = ring.GetName()
	return a
}

// newKey makes a key at a protection level and returns its name.
func (a *admin) newKey(level kmspb.ProtectionLevel) string {
	a.t.Helper()
	key, err := a.client.CreateCryptoKey(a.t.Context(), &kmspb.CreateCryptoKeyRequest{
		Parent: a.ring, CryptoKeyId: "key-" + rand.Text(),
		CryptoKey: &kmspb.CryptoKey{
			Purpose:         kmspb.CryptoKey_ENCRYPT_DECRYPT,
			VersionTemplate: &kmspb.CryptoKeyVersionTemplate{ProtectionLevel: level},
		},
	})
	require.NoError(a.t, err)
	return key.GetName()
}

func (a *admin) versions(key string) []*kmspb.CryptoKeyVersion {
	a.t.Helper()
	var all []*kmspb.CryptoKeyVersion
	for v, err := range a.client.ListCryptoKeyVersions(a.t.Context(), &kmspb.ListCryptoKeyVersionsRequest{Parent: key}).All() {
		require.NoError(a.t, err)
		all = append(all, v)
	}
	require.NotEmpty(a.t, all)
	return all
}

// set gives every version of a key a state.
func (a *admin) set(key string, state kmspb.CryptoKeyVersion_CryptoKeyVersionState) {
	a.t.Helper()
	for _, v := range a.versions(key) {
		v.State = state
		_, err := a.client.UpdateCryptoKeyVersion(a.t.Context(), &kmspb.UpdateCryptoKeyVersionRequest{
			CryptoKeyVersion: v, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"state"}},
		})
		require.NoError(a.t, err)
	}
}

func (a *admin) disable(key string) { a.set(key, kmspb.CryptoKeyVersion_DISABLED) }
func (a *admin) enable(key string)  { a.set(key, kmspb.CryptoKeyVersion_ENABLED) }

// rotate makes a version and has it encrypt from now on.
func (a *admin) rotate(key string) {
	a.t.Helper()
	v, err := a.client.CreateCryptoKeyVersion(a.t.Context(), &kmspb.CreateCryptoKeyVersionRequest{Parent: key})
	require.NoError(a.t, err)
	_, err = a.client.UpdateCryptoKeyPrimaryVersion(a.t.Context(), &kmspb.UpdateCryptoKeyPrimaryVersionRequest{
		Name: key, CryptoKeyVersionId: v.GetName()[strings.LastIndexByte(v.GetName(), '/')+1:],
	})
	require.NoError(a.t, err)
}

// destroy schedules the destruction of versions: all, or all but the primary.
func (a *admin) destroy(key string, primaryToo bool) {
	a.t.Helper()
	k, err := a.client.GetCryptoKey(a.t.Context(), &kmspb.GetCryptoKeyRequest{Name: key})
	require.NoError(a.t, err)
	for _, v := range a.versions(key) {
		if v.GetName() == k.GetPrimary().GetName() && !primaryToo {
			continue
		}
		_, err := a.client.DestroyCryptoKeyVersion(a.t.Context(), &kmspb.DestroyCryptoKeyVersionRequest{Name: v.GetName()})
		require.NoError(a.t, err)
	}
}

// open returns the KEK of a key, over a connection of its own.
func open(t *testing.T, addr, name string, with ...grpc.DialOption) *KEK {
	t.Helper()
	client := dial(t, addr, with...)
	k, err := New(client, name, &Options{Closer: client})
	require.NoError(t, err)
	t.Cleanup(func() { _ = k.Close() })
	return k
}
