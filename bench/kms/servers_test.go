package kms

import (
	"context"
	"crypto/rand"
	"testing"

	kms "cloud.google.com/go/kms/apiv1"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"github.com/aws/aws-sdk-go-v2/aws"
	awsapi "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/hashicorp/vault/api"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/cardseal/cardseal/internal/kmstest"
)

func vaultClient(b *testing.B) *api.Client {
	server := kmstest.Need(b, kmstest.OpenBao)
	config := api.DefaultConfig()
	config.Address = server.URL
	client, err := api.NewClient(config)
	if err != nil {
		b.Fatal(err)
	}
	client.SetToken(server.Token)
	return client
}

func newTransitKey(b *testing.B, client *api.Client, derived bool) string {
	name := "bench-" + rand.Text()
	if _, err := client.Logical().Write("transit/keys/"+name, map[string]any{"derived": derived}); err != nil {
		b.Fatal(err)
	}
	return name
}

func awsKey(b *testing.B) (aws.Config, *awsapi.Client, string) {
	server := kmstest.Need(b, kmstest.LocalStack)
	cfg := aws.Config{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil // the server takes any
		}),
	}
	client := awsapi.NewFromConfig(cfg)
	out, err := client.CreateKey(b.Context(), &awsapi.CreateKeyInput{})
	if err != nil {
		b.Fatal(err)
	}
	return cfg, client, *out.KeyMetadata.Arn
}

func googleKey(b *testing.B) (*kms.KeyManagementClient, string) {
	server := kmstest.Need(b, kmstest.GCPKMS)
	client, err := kms.NewKeyManagementClient(b.Context(), option.WithEndpoint(server.Addr()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	location := "projects/cardseal-bench/locations/global"
	ring, err := client.CreateKeyRing(b.Context(), &kmspb.CreateKeyRingRequest{Parent: location, KeyRingId: "bench-" + rand.Text()})
	if err != nil {
		b.Fatal(err)
	}
	key, err := client.CreateCryptoKey(b.Context(), &kmspb.CreateCryptoKeyRequest{
		Parent: ring.Name, CryptoKeyId: "kek", CryptoKey: &kmspb.CryptoKey{Purpose: kmspb.CryptoKey_ENCRYPT_DECRYPT},
	})
	if err != nil {
		b.Fatal(err)
	}
	return client, key.Name
}
