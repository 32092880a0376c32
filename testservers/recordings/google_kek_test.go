package recordings

import (
	"bytes"
	"hash/crc32"
	"net"
	"testing"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cardseal/cardseal/backends/kek/gcpkms"
	"github.com/cardseal/cardseal/keys"
)

// asRecorded answers every Encrypt and every Decrypt with one recorded answer:
// our requests hold other bytes than the recorded ones.
type asRecorded struct {
	kmspb.UnimplementedKeyManagementServiceServer
	sealed *kmspb.EncryptResponse
	opened *kmspb.DecryptResponse
	err    error // of Decrypt
}

func (s *asRecorded) Encrypt(ctx, *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	return s.sealed, nil
}

func (s *asRecorded) Decrypt(ctx, *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	return s.opened, s.err
}

func googleKEK(t *testing.T, s *asRecorded) *gcpkms.KEK {
	t.Helper()
	lis := bufconn.Listen(1 << 16)
	server := grpc.NewServer()
	kmspb.RegisterKeyManagementServiceServer(server, s)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(lis) }()
	t.Cleanup(func() { server.Stop(); require.NoError(t, <-ended) })
	conn, err := grpc.NewClient("passthrough:///recorded",
		grpc.WithContextDialer(func(c ctx, _ string) (net.Conn, error) { return lis.DialContext(c) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	client, err := kms.NewKeyManagementClient(t.Context(), option.WithGRPCConn(conn))
	require.NoError(t, err)
	k, err := gcpkms.New(client, googleKeys[0], &gcpkms.Options{Closer: client})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

// readGoogle takes the answers of one recording: Encrypt, Decrypt, and Decrypt
// with another AAD.
func readGoogle(t *testing.T) (*kmspb.EncryptResponse, *kmspb.DecryptResponse, error) {
	t.Helper()
	c := kmspb.NewKeyManagementServiceClient(replay(t, "TestAdditionalAuthenticatedData"))
	sealed, err := c.Encrypt(t.Context(), &kmspb.EncryptRequest{
		Name: googleKeys[0], Plaintext: []byte("a secret"), AdditionalAuthenticatedData: []byte("sample AAD"),
	})
	require.NoError(t, err)
	ask := func(aad string) (*kmspb.DecryptResponse, error) {
		return c.Decrypt(t.Context(), &kmspb.DecryptRequest{
			Name: googleKeys[0], Ciphertext: sealed.Ciphertext, AdditionalAuthenticatedData: []byte(aad),
		})
	}
	opened, err := ask("sample AAD")
	require.NoError(t, err)
	_, refused := ask("different AAD")
	require.Error(t, refused)
	return sealed, opened, refused
}

func TestGoogleKEKReadsRecordedAnswers(t *testing.T) {
	sealed, opened, refusal := readGoogle(t)
	b := keys.Binding{Environment: "production", Purpose: keys.PAN}
	dataKey := bytes.Repeat([]byte{7}, keys.DataKeySize)
	// The recorded requests carried no checksums, so the recorded answers say that
	// none was verified. The service says more to a request that carries them.
	verified := proto.CloneOf(sealed)
	verified.VerifiedPlaintextCrc32C, verified.VerifiedAdditionalAuthenticatedDataCrc32C = true, true
	ours := proto.CloneOf(opened)
	ours.Plaintext = dataKey
	ours.PlaintextCrc32C = wrapperspb.Int64(int64(crc32.Checksum(dataKey, crc32.MakeTable(crc32.Castagnoli))))

	corrupt := func(t *testing.T, got []byte, err error) {
		t.Helper()
		require.Nil(t, got)
		require.ErrorIs(t, err, keys.ErrCorrupt)
		var failed *keys.CallError
		require.ErrorAs(t, err, &failed)
		require.NotContains(t, err.Error(), "a secret")
	}
	t.Run("an answer that verified nothing", func(t *testing.T) {
		got, err := googleKEK(t, &asRecorded{sealed: sealed}).Wrap(t.Context(), nil, dataKey, b)
		corrupt(t, got, err)
		require.ErrorContains(t, err, "verified_plaintext_crc32c")
	})
	form, err := googleKEK(t, &asRecorded{sealed: verified}).Wrap(t.Context(), nil, dataKey, b)
	require.NoError(t, err)
	t.Run("the version and the ciphertext", func(t *testing.T) {
		k := googleKEK(t, &asRecorded{sealed: verified, opened: ours})
		require.Equal(t, "29", k.Version(form))
		require.True(t, bytes.HasSuffix(form, sealed.Ciphertext))
		got, err := k.Unwrap(t.Context(), nil, form, b)
		require.NoError(t, err)
		require.Equal(t, dataKey, got)
	})
	t.Run("what opens to something else", func(t *testing.T) {
		got, err := googleKEK(t, &asRecorded{opened: opened}).Unwrap(t.Context(), nil, form, b)
		corrupt(t, got, err)
	})
	t.Run("a checksum that is not its plaintext's", func(t *testing.T) {
		swapped := proto.CloneOf(ours)
		swapped.PlaintextCrc32C = opened.PlaintextCrc32C
		got, err := googleKEK(t, &asRecorded{opened: swapped}).Unwrap(t.Context(), nil, form, b)
		corrupt(t, got, err)
	})
	t.Run("the refusal of another AAD", func(t *testing.T) {
		got, err := googleKEK(t, &asRecorded{err: refusal}).Unwrap(t.Context(), nil, form, b)
		corrupt(t, got, err)
	})
	t.Run("the answer of another key", func(t *testing.T) {
		other := proto.CloneOf(verified)
		other.Name = googleKeys[1] + "/cryptoKeyVersions/29"
		got, err := googleKEK(t, &asRecorded{sealed: other}).Wrap(t.Context(), nil, dataKey, b)
		corrupt(t, got, err)
	})
}
