package awskms

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/keys"
)

// eachEmulator runs a test on every emulator.
func eachEmulator(t *testing.T, test func(t *testing.T, e emulator)) {
	for _, name := range emulators {
		t.Run(name, func(t *testing.T) { test(t, need(t, name)) })
	}
}

// An alias is looked up once: it may come to mean another key, and the KEK may
// not.
func TestAliases(t *testing.T) {
	eachEmulator(t, func(t *testing.T, e emulator) {
		admin := e.admin(region)
		one, two := e.newKey(t, nil), e.newKey(t, nil)
		arn, _ := parseARN(one)
		another, _ := parseARN(two)
		alias := "alias/" + newID()
		_, err := admin.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &alias, TargetKeyId: &arn.key})
		require.NoError(t, err)
		long := strings.Replace(one, "key/"+arn.key, alias, 1)
		for _, name := range []string{alias, long, arn.key, one} {
			require.Equal(t, one, e.open(t, name).ID(), name)
		}
		k := e.open(t, alias)
		stored, err := k.Wrap(t.Context(), nil, make([]byte, 32), binding())
		require.NoError(t, err)
		_, err = admin.UpdateAlias(t.Context(), &kms.UpdateAliasInput{AliasName: &alias, TargetKeyId: &another.key})
		require.NoError(t, err)
		require.Equal(t, one, k.ID())
		_, err = k.Unwrap(t.Context(), nil, stored, binding())
		require.NoError(t, err)
		require.NoError(t, k.Check(t.Context()))
		require.Equal(t, two, e.open(t, alias).ID())
		_, err = e.open(t, alias).Unwrap(t.Context(), nil, stored, binding())
		require.ErrorIs(t, err, keys.ErrCorrupt)

		_, err = New(t.Context(), e.config(region), "alias/"+newID(), nil)
		require.ErrorIs(t, err, keys.ErrNotFound)
	})
}

// The region comes from the ARN, whatever the configuration says.
func TestRegions(t *testing.T) {
	eachEmulator(t, func(t *testing.T, e emulator) {
		arn := e.newKey(t, nil)
		for _, own := range []string{region, "us-west-2", ""} {
			k := open(t, e.config(own), arn, nil)
			require.Equal(t, arn, k.ID())
			require.NoError(t, k.Check(t.Context()))
		}
		elsewhere := strings.Replace(arn, region, "us-west-2", 1)
		_, err := New(t.Context(), e.config(region), elsewhere, nil)
		require.ErrorIs(t, err, keys.ErrNotFound)
	})
}

// What one region wrapped opens in another, under one ID. moto cannot decrypt
// with a multi-Region key in any region: its key IDs are longer than the place its
// ciphertexts have for them.
func TestReplicas(t *testing.T) {
	e := need(t, kmstest.LocalStack)
	arn := e.newKey(t, &kms.CreateKeyInput{MultiRegion: aws.Bool(true)})
	_, err := e.admin(region).ReplicateKey(t.Context(), &kms.ReplicateKeyInput{KeyId: &arn, ReplicaRegion: aws.String("us-west-2")})
	require.NoError(t, err)
	here, there := e.open(t, arn), e.open(t, strings.Replace(arn, region, "us-west-2", 1))
	require.Equal(t, here.ID(), there.ID())
	require.Contains(t, here.ID(), ":kms::")
	dataKey, stored, err := here.GenerateDataKey(t.Context(), nil, binding())
	require.NoError(t, err)
	got, err := there.Unwrap(t.Context(), nil, stored, binding())
	require.NoError(t, err)
	require.Equal(t, dataKey, got)
	moved, err := there.Rewrap(t.Context(), nil, stored, binding())
	require.NoError(t, err)
	got, err = here.Unwrap(t.Context(), nil, moved, binding())
	require.NoError(t, err)
	require.Equal(t, dataKey, got)
}

func TestOtherKindsOfKeys(t *testing.T) {
	eachEmulator(t, func(t *testing.T, e emulator) {
		for usage, spec := range map[types.KeyUsageType]types.KeySpec{
			types.KeyUsageTypeSignVerify:        types.KeySpecEccNistP256,
			types.KeyUsageTypeEncryptDecrypt:    types.KeySpecRsa2048,
			types.KeyUsageTypeGenerateVerifyMac: types.KeySpecHmac256,
		} {
			arn := e.newKey(t, &kms.CreateKeyInput{KeyUsage: usage, KeySpec: spec})
			_, err := New(t.Context(), e.config(region), arn, nil)
			failsWith(t, nil, err, describeKey, keys.ErrDisabled)
		}
	})
}

// The emulators make grants but do not look at them: that calls with a grant's
// token are well-formed is all that is seen here. TestGrantTokens sees that each
// call carries them.
func TestGrant(t *testing.T) {
	eachEmulator(t, func(t *testing.T, e emulator) {
		arn := e.newKey(t, nil)
		grant, err := e.admin(region).CreateGrant(t.Context(), &kms.CreateGrantInput{
			KeyId: &arn, GranteePrincipal: aws.String("arn:aws:iam::" + account + ":role/card-vault"),
			Operations: []types.GrantOperation{
				types.GrantOperationDecrypt, types.GrantOperationGenerateDataKey, types.GrantOperationDescribeKey,
			},
		})
		require.NoError(t, err)
		k := open(t, e.config(region), arn, &Options{GrantTokens: []string{*grant.GrantToken}})
		require.NoError(t, k.Check(t.Context()))
	})
}
