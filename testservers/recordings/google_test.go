package recordings

import (
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/google/go-replayers/grpcreplay"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// What the recordings were made with.
const (
	project = "projects/go-cloud-test-216917/locations/global"
	ring    = project + "/keyRings/test"
)

var googleKeys = []string{ring + "/cryptoKeys/password", ring + "/cryptoKeys/password2"}

// conversations are what gocloud.dev's tests asked, by the recording's name. The
// replayer answers these requests only.
var conversations = map[string]func(c *talk){
	"TestConformance/TestEncryptDecrypt": func(c *talk) {
		c.decrypt(0, c.encrypt(0, secret, nil), nil)
	},
	"TestConformance/TestMultipleEncryptionsNotEqual": func(c *talk) {
		one, two := c.encrypt(0, secret, nil), c.encrypt(0, secret, nil)
		c.decrypt(0, one, nil)
		c.decrypt(0, two, nil)
		c.note("equal: %v", string(one) == string(two))
	},
	"TestConformance/TestMultipleKeys": func(c *talk) {
		one, two := c.encrypt(0, secret, nil), c.encrypt(1, secret, nil)
		c.decrypt(0, one, nil)
		c.decrypt(1, two, nil)
	},
	"TestConformance/TestDecryptMalformedError": func(c *talk) {
		p := c.encrypt(0, secret, nil)
		c.decrypt(0, append([]byte{p[0] + 1}, p[1:]...), nil)
		c.decrypt(0, slices.Concat(p[:1], p[2:]), nil)
		c.decrypt(0, slices.Concat(p[:len(p)-2], []byte{p[len(p)-1] - 1}), nil)
	},
	"TestConformance/TestAs/verify_As_function": func(c *talk) {
		c.decrypt(0, []byte("malformed cipher message"), nil)
	},
	"TestAdditionalAuthenticatedData": func(c *talk) {
		p := c.encrypt(0, "a secret", []byte("sample AAD"))
		c.decrypt(0, p, []byte("sample AAD"))
		c.decrypt(0, p, []byte("different AAD"))
	},
}

// Our own server answers the recorded requests in the recorded shape: fields that
// are set, plaintexts, names of versions, checksums, codes and words of errors.
func TestGoogleServerAnswersInTheRecordedShape(t *testing.T) {
	s := kmstest.Need(t, kmstest.GCPKMS)
	conn, err := grpc.NewClient("passthrough:///"+s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	makeGoogleKeys(t, conn)
	for _, name := range googleFiles {
		t.Run(name, func(t *testing.T) {
			recorded := &talk{t: t, conn: replay(t, name)}
			conversations[name](recorded)
			ours := &talk{t: t, conn: conn}
			conversations[name](ours)
			require.Equal(t, recorded.said, ours.said)
		})
	}
}

func replay(t *testing.T, name string) grpc.ClientConnInterface {
	t.Helper()
	r, err := grpcreplay.NewReplayer(recording(t, "gcpkms", "testdata", name+".replay"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	conn, err := r.Connection()
	require.NoError(t, err)
	return conn
}

// talk is a conversation, and what was said in it, in words that do not change
// with the ciphertext.
type talk struct {
	t    *testing.T
	conn grpc.ClientConnInterface
	said []string
}

func (c *talk) note(format string, args ...any) {
	c.said = append(c.said, fmt.Sprintf(format, args...))
}

func (c *talk) encrypt(key int, plaintext string, aad []byte) []byte {
	c.t.Helper()
	a, err := kmspb.NewKeyManagementServiceClient(c.conn).Encrypt(c.t.Context(), &kmspb.EncryptRequest{
		Name: googleKeys[key], Plaintext: []byte(plaintext), AdditionalAuthenticatedData: aad,
	})
	require.NoError(c.t, err)
	require.Regexp(c.t, "^"+googleKeys[key]+`/cryptoKeyVersions/[1-9]\d*$`, a.Name)
	c.note("Encrypt: %s, level %v, checksum %v", fields(a), a.ProtectionLevel, right(a.CiphertextCrc32C, a.Ciphertext))
	return a.Ciphertext
}

func (c *talk) decrypt(key int, ciphertext, aad []byte) {
	c.t.Helper()
	a, err := kmspb.NewKeyManagementServiceClient(c.conn).Decrypt(c.t.Context(), &kmspb.DecryptRequest{
		Name: googleKeys[key], Ciphertext: ciphertext, AdditionalAuthenticatedData: aad,
	})
	if err != nil {
		var s interface{ GRPCStatus() *status.Status }
		require.True(c.t, errors.As(err, &s))
		// The words tell a little of what is wrong with a ciphertext, whose form is
		// Google's own.
		words, _, _ := strings.Cut(s.GRPCStatus().Message(), ":")
		c.note("Decrypt: %v: %s", s.GRPCStatus().Code(), strings.TrimSuffix(words, "."))
		return
	}
	c.note("Decrypt: %s, level %v, primary %v, checksum %v, %q", fields(a), a.ProtectionLevel, a.UsedPrimary,
		right(a.PlaintextCrc32C, a.Plaintext), a.Plaintext)
}

func right(sum *wrapperspb.Int64Value, p []byte) bool {
	return sum.GetValue() == int64(crc32.Checksum(p, crc32.MakeTable(crc32.Castagnoli)))
}

// fields are the names of those that are set.
func fields(m proto.Message) string {
	var names []string
	m.ProtoReflect().Range(func(d protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
		names = append(names, string(d.Name()))
		return true
	})
	slices.Sort(names)
	return strings.Join(names, " ")
}

// makeGoogleKeys makes the two keys that the recordings name, unless they are
// there.
func makeGoogleKeys(t *testing.T, conn grpc.ClientConnInterface) {
	t.Helper()
	c := kmspb.NewKeyManagementServiceClient(conn)
	made := func(err error) {
		t.Helper()
		if status.Code(err) != codes.AlreadyExists {
			require.NoError(t, err)
		}
	}
	_, err := c.CreateKeyRing(t.Context(), &kmspb.CreateKeyRingRequest{Parent: project, KeyRingId: "test", KeyRing: &kmspb.KeyRing{}})
	made(err)
	for _, name := range googleKeys {
		_, err := c.CreateCryptoKey(t.Context(), &kmspb.CreateCryptoKeyRequest{
			Parent: ring, CryptoKeyId: strings.TrimPrefix(name, ring+"/cryptoKeys/"),
			CryptoKey: &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT},
		})
		made(err)
	}
}
