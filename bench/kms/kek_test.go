package kms

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"hash/crc32"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsapi "github.com/aws/aws-sdk-go-v2/service/kms"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/cardseal/cardseal/backends/kek/awskms"
	"github.com/cardseal/cardseal/backends/kek/gcpkms"
	"github.com/cardseal/cardseal/backends/kek/vaulttransit"
	"github.com/cardseal/cardseal/keys"
)

// counted counts what reaches the KMS through it.
type counted struct {
	keys.KEK
	n int
}

func (c *counted) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	c.n++
	return c.KEK.Wrap(ctx, dst, dataKey, b)
}

func (c *counted) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	c.n++
	return c.KEK.Unwrap(ctx, dst, wrapped, b)
}

func BenchmarkKEKVaultTransit(b *testing.B) {
	client := vaultClient(b)
	name := newTransitKey(b, client, true)
	kek, err := vaulttransit.New(b.Context(), client, "transit", name, nil)
	if err != nil {
		b.Fatal(err)
	}
	dataKey, binding := newDataKey()
	bound := map[string]any{"context": base64.StdEncoding.EncodeToString(binding.AAD())}
	bound["plaintext"] = base64.StdEncoding.EncodeToString(dataKey)
	var ciphertext any
	wrap := func() error {
		secret, err := client.Logical().WriteWithContext(b.Context(), "transit/encrypt/"+name, bound)
		if err == nil {
			ciphertext = secret.Data["ciphertext"]
		}
		return err
	}
	unwrap := func() error {
		_, err := client.Logical().WriteWithContext(b.Context(), "transit/decrypt/"+name,
			map[string]any{"context": bound["context"], "ciphertext": ciphertext})
		return err
	}
	compare(b, kek, dataKey, binding, wrap, unwrap)
}

func BenchmarkKEKAWS(b *testing.B) {
	cfg, client, arn := awsKey(b)
	kek, err := awskms.New(b.Context(), cfg, arn, nil)
	if err != nil {
		b.Fatal(err)
	}
	dataKey, binding := newDataKey()
	var blob []byte
	wrap := func() error {
		out, err := client.Encrypt(b.Context(), &awsapi.EncryptInput{
			KeyId: aws.String(arn), Plaintext: dataKey, EncryptionContext: binding.Context(),
		})
		if err == nil {
			blob = out.CiphertextBlob
		}
		return err
	}
	unwrap := func() error {
		_, err := client.Decrypt(b.Context(), &awsapi.DecryptInput{
			KeyId: aws.String(arn), CiphertextBlob: blob, EncryptionContext: binding.Context(),
		})
		return err
	}
	compare(b, kek, dataKey, binding, wrap, unwrap)
}

func BenchmarkKEKGoogle(b *testing.B) {
	client, name := googleKey(b)
	kek, err := gcpkms.New(client, name, nil)
	if err != nil {
		b.Fatal(err)
	}
	dataKey, binding := newDataKey()
	var ciphertext []byte
	wrap := func() error {
		out, err := client.Encrypt(b.Context(), &kmspb.EncryptRequest{
			Name: name, Plaintext: dataKey, PlaintextCrc32C: crc(dataKey),
			AdditionalAuthenticatedData: binding.AAD(), AdditionalAuthenticatedDataCrc32C: crc(binding.AAD()),
		})
		if err == nil {
			ciphertext = out.Ciphertext
		}
		return err
	}
	unwrap := func() error {
		_, err := client.Decrypt(b.Context(), &kmspb.DecryptRequest{
			Name: name, Ciphertext: ciphertext, CiphertextCrc32C: crc(ciphertext),
			AdditionalAuthenticatedData: binding.AAD(), AdditionalAuthenticatedDataCrc32C: crc(binding.AAD()),
		})
		return err
	}
	compare(b, kek, dataKey, binding, wrap, unwrap)
}

func crc(data []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))))
}

// compare measures wrap and unwrap, the vendor's bare call beside ours. The bare
// wrap leaves its answer for the bare unwrap.
func compare(b *testing.B, kek keys.KEK, dataKey []byte, binding keys.Binding, wrap, unwrap func() error) {
	ctx := b.Context()
	b.Cleanup(func() { kek.(interface{ Close() error }).Close() })
	b.Run("Wrap", func(b *testing.B) {
		turns(b, wrap, func() error {
			_, err := kek.Wrap(ctx, nil, dataKey, binding)
			return err
		})
	})
	if err := wrap(); err != nil {
		b.Fatal(err)
	}
	wrapped, err := kek.Wrap(ctx, nil, dataKey, binding)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("Unwrap", func(b *testing.B) {
		turns(b, unwrap, func() error {
			_, err := kek.Unwrap(ctx, nil, wrapped, binding)
			return err
		})
	})
}

func newDataKey() ([]byte, keys.Binding) {
	dataKey := make([]byte, keys.DataKeySize)
	rand.Read(dataKey)
	return dataKey, keys.Binding{Environment: "bench", Purpose: keys.PAN, KeyID: keys.KeyID{1}}
}
