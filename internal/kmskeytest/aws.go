package kmskeytest

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// What the emulators take for credentials, from AWS's documentation.
const (
	awsKeyID  = "AKIAIOSFODNN7EXAMPLE"
	awsSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	awsRegion = "eu-central-1"
)

// AWS makes a key in one of the AWS servers.
func AWS(t testing.TB, server string) *Key {
	t.Helper()
	url := kmstest.Need(t, server).URL
	client := kms.NewFromConfig(aws.Config{
		Region: awsRegion, BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider(awsKeyID, awsSecret, ""),
	})
	out, err := client.CreateKey(t.Context(), &kms.CreateKeyInput{KeyUsage: types.KeyUsageTypeEncryptDecrypt})
	require.NoError(t, err)
	arn, id := *out.KeyMetadata.Arn, *out.KeyMetadata.KeyId
	return &Key{
		URI: "aws-kms://" + arn, ID: arn,
		Missing: "aws-kms://" + arn[:len(arn)-len(id)] + "00000000-0000-4000-8000-" + random(),
		Env: map[string]string{
			"AWS_ENDPOINT_URL_KMS": url, "AWS_ACCESS_KEY_ID": awsKeyID, "AWS_SECRET_ACCESS_KEY": awsSecret,
		},
		Disable: func() {
			_, err := client.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &id})
			require.NoError(t, err)
		},
		Enable: func() {
			_, err := client.EnableKey(t.Context(), &kms.EnableKeyInput{KeyId: &id})
			require.NoError(t, err)
		},
		Rotate: func() {
			_, err := client.RotateKeyOnDemand(t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &id})
			require.NoError(t, err)
		},
	}
}

// AWSAlias gives a key another name and returns the alias' URI.
func AWSAlias(t testing.TB, k *Key) string {
	t.Helper()
	url := k.Env["AWS_ENDPOINT_URL_KMS"]
	client := kms.NewFromConfig(aws.Config{
		Region: awsRegion, BaseEndpoint: &url,
		Credentials: credentials.NewStaticCredentialsProvider(awsKeyID, awsSecret, ""),
	})
	name := "alias/a-" + random()
	_, err := client.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &k.ID})
	require.NoError(t, err)
	return k.URI[:len(k.URI)-len("key/1234abcd-12ab-34cd-56ef-1234567890ab")] + name
}
