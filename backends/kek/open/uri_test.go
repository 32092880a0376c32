package open

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmskeytest"
)

// Wherever secret stands in a URI, no error may repeat it.
const secret = "hvsS3cr3tvalue"

const vaultBase = "hcvault://vault.example.com/transit/keys/k"

// Every URI that names no key, with the part that is found wrong.
var badURIs = []struct{ uri, field string }{
	{"", "URI"},
	{secret, "URI"},
	{"aws-kms:arn:aws:kms:eu-central-1:111122223333:key/a", "URI"},
	{"local://" + secret + strings.Repeat("x", 2048), "URI"},
	{"aws-kms://" + secret + " x", "URI"},
	{"hcvault://vault.example.com/transit/keys/k\n", "URI"},
	{"hcvault://vault.example.com/transit/keys/\u00fc", "URI"},
	{secret + "://x", "scheme"},
	{"AWS-KMS://arn:aws:kms:eu-central-1:111122223333:key/a", "scheme"},
	{"azure-kms://x", "scheme"},
	{"://x", "scheme"},

	{"aws-kms://" + secret, "ARN"},
	{"aws-kms://alias/x", "ARN"},
	{"aws-kms://user:" + secret + "@arn:aws:kms:eu-central-1:111122223333:key/a", "ARN"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333", "ARN"},
	{"aws-kms://arn:azure:kms:eu-central-1:111122223333:key/a", "partition"},
	{"aws-kms://arn:aws-:kms:eu-central-1:111122223333:key/a", "partition"},
	{"aws-kms://arn:awsx:kms:eu-central-1:111122223333:key/a", "partition"},
	{"aws-kms://arn:aws:s3:eu-central-1:111122223333:key/a", "service"},
	{"aws-kms://arn:aws:kms::111122223333:key/a", "region"},
	{"aws-kms://arn:aws:kms:eu/central:111122223333:key/a", "region"},
	{"aws-kms://arn:aws:kms:evil.example.com:111122223333:key/a", "region"},
	{"aws-kms://arn:aws:kms:eu-central-1:11112222333:key/a", "account"},
	{"aws-kms://arn:aws:kms:eu-central-1:11112222333x:key/a", "account"},
	{"aws-kms://arn:aws:kms:eu-central-1::key/a", "account"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333:key/", "resource"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333:key", "resource"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/", "resource"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333:grant/" + secret, "resource"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333:key/a?x=" + secret, "resource"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333:key/a#x", "resource"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333:key/" + strings.Repeat("a", 257), "resource"},
	{"aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/" + strings.Repeat("a", 251), "resource"},

	{"gcp-kms://" + secret, "name"},
	{"gcp-kms:///projects/p/locations/l/keyRings/r/cryptoKeys/k", "name"},
	{"gcp-kms://projects/my-project/locations/global/keyRings/r/cryptoKeys/", "name"},
	{"gcp-kms://projects/my-project/locations/global/keyRings/r/keys/k", "name"},
	{"gcp-kms://projects/my-project/locations/global/keyRings/r/cryptoKeys/k/", "name"},
	{"gcp-kms://projects/my-project/locations/global/keyRings/r/cryptoKeys/k?token=" + secret, "name"},
	{"gcp-kms://user:" + secret + "@projects/my-project/locations/global/keyRings/r/cryptoKeys/k", "name"},
	{"gcp-kms://projects/my-project/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", "cryptoKeyVersions"},

	{"hcvault://user:" + secret + "@vault.example.com/transit/keys/k", "user"},
	{"hcvault://" + secret + "@vault.example.com/transit/keys/k", "user"},
	{"hcvault://@vault.example.com/transit/keys/k", "user"},
	{vaultBase + "#" + secret, "fragment"},
	{vaultBase + "#", "fragment"},
	{"hcvault:///transit/keys/k", "host"},
	{"hcvault://vault.example.com:/transit/keys/k", "host"},
	{"hcvault://vault.example.com:0/transit/keys/k", "host"},
	{"hcvault://vault.example.com:99999/transit/keys/k", "host"},
	{"hcvault://vault.example.com:" + secret + "/transit/keys/k", "URI"},
	{"hcvault://vault_" + secret + "/transit/keys/k", "host"},
	{"hcvault://a,b/transit/keys/k", "host"},
	{"hcvault://vault.example.com", "path"},
	{"hcvault://vault.example.com/transit/keys/", "path"},
	{"hcvault://vault.example.com/keys/k", "path"},
	{"hcvault://vault.example.com//keys/k", "path"},
	{"hcvault://vault.example.com/transit/keys/a/b", "path"},
	{"hcvault://vault.example.com/transit/../keys/k", "path"},
	{"hcvault://vault.example.com/transit/keys/..", "path"},
	{"hcvault://vault.example.com/transit/keys/a%2Fb", "path"},
	{"hcvault://vault.example.com/transit/key/" + secret, "path"},
	{vaultBase + "?token=" + secret, "query"},
	{vaultBase + "?secret-id=" + secret, "query"},
	{vaultBase + "?Auth=token", "query"},
	{vaultBase + "?a;b", "query"},
	{vaultBase + "?auth", "auth"},
	{vaultBase + "?auth=token&auth=token", "auth"},
	{vaultBase + "?auth=" + secret, "auth"},
	{vaultBase + "?namespace=a%20b", "namespace"},
	{vaultBase + "?namespace=a%0d%0ab", "namespace"},
	{vaultBase + "?role=r", "role"},
	{vaultBase + "?auth=token&role=r", "role"},
	{vaultBase + "?auth=token&auth-mount=m", "auth-mount"},
	{vaultBase + "?auth=approle", "role-id"},
	{vaultBase + "?auth=approle&role-id=r", "secret-id-file"},
	{vaultBase + "?auth=approle&role-id=r&secret-id-file=f", "secret-id-file"},
	{vaultBase + "?auth=approle&role-id=r&secret-id-file=/f&role=r", "role"},
	{vaultBase + "?auth=approle&role-id=r&secret-id-file=/f&jwt-file=/f", "jwt-file"},
	{vaultBase + "?auth=kubernetes", "role"},
	{vaultBase + "?auth=kubernetes&role=r&jwt-file=f", "jwt-file"},
	{vaultBase + "?auth=kubernetes&role=r&role-id=r", "role-id"},
	{vaultBase + "?auth=kubernetes&role=r&secret-id-file=/f", "secret-id-file"},

	{"local://host/path", "URI"},
	{"local:///", "URI"},
	{"local:///k?x=" + secret, "URI"},
}

// A bad URI is found bad before anything is read or called, so this needs neither
// network nor credentials.
func TestBadURIs(t *testing.T) {
	kmskeytest.Bare(t)
	for _, c := range badURIs {
		k, err := URI(t.Context(), c.uri, nil)
		require.Nil(t, k, c.uri)
		var e *URIError
		require.ErrorAs(t, err, &e, c.uri)
		require.Equal(t, c.field, e.Field, "%s: %v", c.uri, err)
		require.NotContains(t, err.Error(), secret)
	}
}

func TestARNs(t *testing.T) {
	for arn, region := range map[string]string{
		"arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab":       "eu-central-1",
		"arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab":          "us-east-1",
		"arn:aws:kms:us-east-1:111122223333:alias/cards/prod_1":                                "us-east-1",
		"arn:aws-cn:kms:cn-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab":      "cn-north-1",
		"arn:aws-us-gov:kms:us-gov-west-1:111122223333:alias/cards":                            "us-gov-west-1",
		"arn:aws-iso-b:kms:us-isob-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890": "us-isob-east-1",
	} {
		got, err := parseARN(arn)
		require.NoError(t, err, arn)
		require.Equal(t, region, got)
	}
}

func TestVaultURIs(t *testing.T) {
	for uri, want := range map[string]vaultKey{
		"hcvault://vault.example.com:8200/transit/keys/k": {host: "vault.example.com:8200", mount: "transit", name: "k"},
		"hcvault://[::1]:8200/a/b/keys/keys":              {host: "[::1]:8200", mount: "a/b", name: "keys"},
		"hcvault://v/keys/keys/k?auth=token":              {host: "v", mount: "keys", name: "k", auth: "token"},
		"hcvault://v/t/keys/k?namespace=/a/b/&cluster=eu": {host: "v", mount: "t", name: "k", namespace: "a/b", cluster: "eu"},
		"hcvault://v/t/keys/k?auth=approle&role-id=0-1&secret-id-file=/run/s&auth-mount=apps/": {host: "v", mount: "t", name: "k",
			auth: "approle", roleID: "0-1", secretIDFile: "/run/s", authMount: "apps"},
		"hcvault://v/t/keys/k?auth=kubernetes&role=r&jwt-file=/run/j": {host: "v", mount: "t", name: "k",
			auth: "kubernetes", role: "r", jwt: "/run/j"},
	} {
		got, err := parseVault(uri)
		require.NoError(t, err, uri)
		require.Equal(t, want, got)
	}
}

func TestGoogleNames(t *testing.T) {
	for _, name := range []string{
		"projects/my-project/locations/global/keyRings/r/cryptoKeys/k",
		"projects/example.com:my-project/locations/europe-west3/keyRings/R_1/cryptoKeys/k-2",
	} {
		require.NoError(t, checkName(name))
	}
}
