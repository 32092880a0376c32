package gcpkms

import (
	"bytes"
	"context"
	"crypto/sha256"
	"net"
	"slices"
	"sync/atomic"
	"testing"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/stretchr/testify/require"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const testName = "projects/vault-test/locations/global/keyRings/cards/cryptoKeys/pan"

// fake is a KMS that hides nothing and does to its messages what a test wants:
// its ciphertext is a digest of the additional data, then the plaintext. It counts
// the calls that reach it.
type fake struct {
	kmspb.UnimplementedKeyManagementServiceServer
	calls atomic.Int64
	// nil, or what happens to a message at its n-th call, from 1. An error is the
	// answer.
	encryptRequest func(n int64, r *kmspb.EncryptRequest) error
	encryptAnswer  func(n int64, r *kmspb.EncryptResponse)
	decryptRequest func(n int64, r *kmspb.DecryptRequest) error
	decryptAnswer  func(n int64, r *kmspb.DecryptResponse)
	get            func() (*kmspb.CryptoKey, error)
	before         func(ctx context.Context) error
}

func (f *fake) Encrypt(ctx context.Context, r *kmspb.EncryptRequest) (*kmspb.EncryptResponse, error) {
	n := f.calls.Add(1)
	if f.before != nil {
		if err := f.before(ctx); err != nil {
			return nil, err
		}
	}
	if f.encryptRequest != nil {
		if err := f.encryptRequest(n, r); err != nil {
			return nil, err
		}
	}
	if err := wrongSum("plaintext", r.GetPlaintextCrc32C(), r.GetPlaintext()); err != nil {
		return nil, err
	}
	if err := wrongSum("additional_authenticated_data", r.GetAdditionalAuthenticatedDataCrc32C(), r.GetAdditionalAuthenticatedData()); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(r.GetAdditionalAuthenticatedData())
	out := slices.Concat(digest[:], r.GetPlaintext())
	answer := &kmspb.EncryptResponse{
		Name: r.GetName() + "/cryptoKeyVersions/7", Ciphertext: out, CiphertextCrc32C: crc(out),
		VerifiedPlaintextCrc32C:                   r.GetPlaintextCrc32C() != nil,
		VerifiedAdditionalAuthenticatedDataCrc32C: r.GetAdditionalAuthenticatedDataCrc32C() != nil,
		ProtectionLevel:                           kmspb.ProtectionLevel_HSM,
	}
	if f.encryptAnswer != nil {
		f.encryptAnswer(n, answer)
	}
	return answer, nil
}

func (f *fake) Decrypt(ctx context.Context, r *kmspb.DecryptRequest) (*kmspb.DecryptResponse, error) {
	n := f.calls.Add(1)
	if f.before != nil {
		if err := f.before(ctx); err != nil {
			return nil, err
		}
	}
	if f.decryptRequest != nil {
		if err := f.decryptRequest(n, r); err != nil {
			return nil, err
		}
	}
	if err := wrongSum("ciphertext", r.GetCiphertextCrc32C(), r.GetCiphertext()); err != nil {
		return nil, err
	}
	if err := wrongSum("additional_authenticated_data", r.GetAdditionalAuthenticatedDataCrc32C(), r.GetAdditionalAuthenticatedData()); err != nil {
		return nil, err
	}
	digest := sha256.Sum256(r.GetAdditionalAuthenticatedData())
	plain, ok := bytes.CutPrefix(r.GetCiphertext(), digest[:])
	if !ok {
		return nil, status.Error(codes.InvalidArgument, "Decryption failed.")
	}
	answer := &kmspb.DecryptResponse{Plaintext: plain, PlaintextCrc32C: crc(plain)}
	if f.decryptAnswer != nil {
		f.decryptAnswer(n, answer)
	}
	return answer, nil
}

func (f *fake) GetCryptoKey(ctx context.Context, r *kmspb.GetCryptoKeyRequest) (*kmspb.CryptoKey, error) {
	f.calls.Add(1)
	if f.before != nil {
		if err := f.before(ctx); err != nil {
			return nil, err
		}
	}
	if f.get != nil {
		return f.get()
	}
	return soundKey(r.GetName()), nil
}

func soundKey(name string) *kmspb.CryptoKey {
	return &kmspb.CryptoKey{
		Name: name, Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT,
		Primary: &kmspb.CryptoKeyVersion{State: kmspb.CryptoKeyVersion_ENABLED},
	}
}

func wrongSum(field string, sum *wrapperspb.Int64Value, p []byte) error {
	if sum == nil || sum.GetValue() == crc(p).GetValue() {
		return nil
	}
	return status.Errorf(codes.InvalidArgument, "The checksum in field %s_crc32c did not match the data in field %s.", field, field)
}

// serve starts the fake and returns a KEK on it, with its client as closer.
func (f *fake) serve(t *testing.T, with ...grpc.DialOption) *KEK {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	g := grpc.NewServer()
	kmspb.RegisterKeyManagementServiceServer(g, f)
	done := make(chan error, 1)
	go func() { done <- g.Serve(lis) }()
	t.Cleanup(func() {
		g.Stop()
		require.NoError(t, <-done)
	})
	client := dial(t, lis.Addr().String(), with...)
	k, err := New(client, testName, &Options{Closer: client})
	require.NoError(t, err)
	t.Cleanup(func() { _ = k.Close() })
	return k
}

// dial returns a client of a KMS on loopback, made as ClientOptions says.
func dial(t *testing.T, addr string, with ...grpc.DialOption) *kms.KeyManagementClient {
	t.Helper()
	o := append(ClientOptions(), option.WithEndpoint(addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	for _, d := range with {
		o = append(o, option.WithGRPCDialOption(d))
	}
	client, err := kms.NewKeyManagementClient(t.Context(), o...)
	require.NoError(t, err)
	t.Cleanup(func() { _ = client.Close() })
	return client
}
