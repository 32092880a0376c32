package recordings

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/awskms"
	"github.com/cardseal/cardseal/keys"
)

type ctx = context.Context

// What the recordings were made with.
const (
	region = "us-east-2"
	secret = "I'm a secret message!"
)

var aliases = []string{"alias/test-secrets", "alias/test-secrets2"}

// The vendor's client, in the version our backend uses, asks what it asked when
// the recordings were made and takes the answers apart.
func TestAWSClientAgainstRecordedAnswers(t *testing.T) {
	all := readAWS(t, "TestConformance/TestEncryptDecrypt")
	client := kms.NewFromConfig(config(inOrder(t, all)))

	listed, err := client.ListAliases(t.Context(), &kms.ListAliasesInput{})
	require.NoError(t, err)
	require.Len(t, listed.Aliases, 15)
	byName := map[string]types.AliasListEntry{}
	for _, a := range listed.Aliases {
		byName[*a.AliasName] = a
	}
	key := byName[aliases[0]]
	require.Equal(t, "arn:aws:kms:us-east-2:456752665576:alias/test-secrets", *key.AliasArn)
	require.Equal(t, "8198f536-26b1-4571-a415-01c0450e6c14", *key.TargetKeyId)
	require.False(t, key.CreationDate.IsZero())
	require.Nil(t, byName["alias/aws/dynamodb"].TargetKeyId)

	sealed, err := client.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &aliases[0], Plaintext: []byte(secret)})
	require.NoError(t, err)
	require.Equal(t, "arn:aws:kms:us-east-2:456752665576:key/"+*key.TargetKeyId, *sealed.KeyId)
	require.Equal(t, types.EncryptionAlgorithmSpecSymmetricDefault, sealed.EncryptionAlgorithm)

	opened, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: sealed.CiphertextBlob})
	require.NoError(t, err)
	require.Equal(t, secret, string(opened.Plaintext))
	require.Equal(t, *sealed.KeyId, *opened.KeyId)
}

func TestAWSClientAgainstARecordedRefusal(t *testing.T) {
	bad := find(t, "TestConformance/TestAs/verify_As_function", "Decrypt", 400)
	client := kms.NewFromConfig(config(byTarget(bad)))
	_, err := client.Decrypt(t.Context(), &kms.DecryptInput{CiphertextBlob: []byte("malformed cipher message")})
	var refused *types.InvalidCiphertextException
	require.ErrorAs(t, err, &refused)
	require.Empty(t, refused.ErrorMessage())
}

// ourKEK is our KEK under the recorded key. DescribeKey is not recorded; it is
// denied, as a policy may do.
func ourKEK(t *testing.T, arn string, answers ...exchange) *awskms.KEK {
	t.Helper()
	k, err := awskms.New(t.Context(), config(byTarget(answers...)), arn, nil)
	require.NoError(t, err)
	require.Equal(t, arn, k.ID())
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}

func TestAWSKEKReadsRecordedAnswers(t *testing.T) {
	const name = "TestConformance/TestEncryptDecrypt"
	sealed, opened := find(t, name, "Encrypt", 200), find(t, name, "Decrypt", 200)
	malformed := find(t, "TestConformance/TestDecryptMalformedError", "Decrypt", 400)
	var answer struct {
		KeyID          string `json:"KeyId"`
		CiphertextBlob []byte
	}
	require.NoError(t, json.Unmarshal(sealed.answer, &answer))
	b := keys.Binding{Environment: "production", Purpose: keys.PAN}
	dataKey := bytes.Repeat([]byte{7}, keys.DataKeySize)
	// Version, a check value, then KMS's blob.
	stored := append(append([]byte{1}, make([]byte, 16)...), answer.CiphertextBlob...)

	opens := func(key string, plaintext []byte) exchange {
		e := opened
		var all map[string]any
		require.NoError(t, json.Unmarshal(opened.answer, &all))
		all["KeyId"], all["Plaintext"] = key, plaintext
		var err error
		e.answer, err = json.Marshal(all)
		require.NoError(t, err)
		return e
	}
	refused := func(t *testing.T, got []byte, err error, kind error, call string) {
		t.Helper()
		require.Nil(t, got)
		require.ErrorIs(t, err, kind)
		var failed *keys.CallError
		require.ErrorAs(t, err, &failed)
		require.Equal(t, call, failed.Call)
		require.NotContains(t, err.Error(), secret)
	}
	t.Run("a malformed blob", func(t *testing.T) {
		got, err := ourKEK(t, answer.KeyID, malformed).Unwrap(t.Context(), nil, stored, b)
		refused(t, got, err, keys.ErrCorrupt, "kms:Decrypt")
		var vendors *types.InvalidCiphertextException
		require.ErrorAs(t, err, &vendors)
	})
	t.Run("a blob that opens to what is no data key", func(t *testing.T) {
		got, err := ourKEK(t, answer.KeyID, opened).Unwrap(t.Context(), nil, stored, b)
		refused(t, got, err, keys.ErrCorrupt, "kms:Decrypt")
	})
	t.Run("a new blob that opens to something else", func(t *testing.T) {
		got, err := ourKEK(t, answer.KeyID, sealed, opened).Wrap(t.Context(), nil, dataKey, b)
		refused(t, got, err, keys.ErrCorrupt, "kms:Decrypt")
	})
	t.Run("a new blob that opens to another data key", func(t *testing.T) {
		got, err := ourKEK(t, answer.KeyID, sealed, opens(answer.KeyID, bytes.Repeat([]byte{8}, keys.DataKeySize))).
			Wrap(t.Context(), nil, dataKey, b)
		refused(t, got, err, keys.ErrCorrupt, "kms:Decrypt")
	})
	t.Run("a new blob that does not open", func(t *testing.T) {
		got, err := ourKEK(t, answer.KeyID, sealed, malformed).Wrap(t.Context(), nil, dataKey, b)
		refused(t, got, err, keys.ErrCorrupt, "kms:Decrypt")
	})
	t.Run("the blob of another key", func(t *testing.T) {
		other := answer.KeyID[:len(answer.KeyID)-1] + "5"
		got, err := ourKEK(t, other, sealed, opened).Wrap(t.Context(), nil, dataKey, b)
		refused(t, got, err, keys.ErrCorrupt, "kms:Encrypt")
		got, err = ourKEK(t, other, opened).Unwrap(t.Context(), nil, stored, b)
		refused(t, got, err, keys.ErrCorrupt, "kms:Decrypt")
	})
	t.Run("a sound one", func(t *testing.T) { // the plaintext alone is not as recorded
		k := ourKEK(t, answer.KeyID, sealed, opens(answer.KeyID, dataKey))
		form, err := k.Wrap(t.Context(), nil, dataKey, b)
		require.NoError(t, err)
		require.Equal(t, answer.CiphertextBlob, form[17:])
		got, err := k.Unwrap(t.Context(), nil, form, b)
		require.NoError(t, err)
		require.Equal(t, dataKey, got)
	})
	t.Run("what is denied", func(t *testing.T) {
		got, err := ourKEK(t, answer.KeyID).Unwrap(t.Context(), nil, stored, b)
		refused(t, got, err, keys.ErrDenied, "kms:Decrypt")
	})
}

func TestAWSKEKFindsNoKeyByAnAliasItMayNotDescribe(t *testing.T) {
	_, err := awskms.New(t.Context(), config(byTarget()), aliases[0], nil)
	require.ErrorIs(t, err, keys.ErrDenied)
}
