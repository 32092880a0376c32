package gcpkms

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNames(t *testing.T) {
	for _, name := range []string{
		testName,
		"projects/example.com:vault-test/locations/europe-west3/keyRings/R/cryptoKeys/K",
		"projects/sub-1.example.co.uk:vault1/locations/eur4/keyRings/_/cryptoKeys/-",
		"projects/abcdef/locations/l/keyRings/" + strings.Repeat("R", 63) + "/cryptoKeys/" + strings.Repeat("k", 63),
		"projects/a" + strings.Repeat("1", 29) + "/locations/nam-eur-asia1/keyRings/0/cryptoKeys/9",
	} {
		require.NoError(t, checkName(name), name)
	}
}

func TestNamesRefused(t *testing.T) {
	named := func(project, location, ring, key string) string {
		return "projects/" + project + "/locations/" + location + "/keyRings/" + ring + "/cryptoKeys/" + key
	}
	long := strings.Repeat("x", 64)
	for name, field := range map[string]string{
		"":                                "name",
		"pan":                             "name",
		"projects/vault-test":             "name",
		"/" + testName:                    "name",
		testName + "/":                    "name",
		testName + "/x/1":                 "name",
		testName + "/cryptoKeyVersions/1": "cryptoKeyVersions",
		testName + "/cryptoKeyVersions/":  "cryptoKeyVersions",
		testName + "/cryptoKeyVersions":   "cryptoKeyVersions",
		strings.Replace(testName, "projects", "Projects", 1):               "name",
		strings.Replace(testName, "locations", "location", 1):              "name",
		strings.Replace(testName, "keyRings", "keyrings", 1):               "name",
		strings.Replace(testName, "cryptoKeys", "keys", 1):                 "name",
		"gcpkms://" + testName:                                             "name",
		"https://cloudkms.googleapis.com/v1/" + testName:                   "name",
		named("", "global", "r", "k"):                                      "project",
		named("vault", "global", "r", "k"):                                 "project", // 5
		named("a"+strings.Repeat("1", 30), "global", "r", "k"):             "project",
		named("123456789012", "global", "r", "k"):                          "project", // a number
		named("1vault-test", "global", "r", "k"):                           "project",
		named("vault-test-", "global", "r", "k"):                           "project",
		named("Vault-test", "global", "r", "k"):                            "project",
		named("vault_test", "global", "r", "k"):                            "project",
		named(":vault-test", "global", "r", "k"):                           "project",
		named("example:vault-test", "global", "r", "k"):                    "project",
		named("example.com:", "global", "r", "k"):                          "project",
		named("example.com:a:vault-test", "global", "r", "k"):              "project",
		named("example..com:vault-test", "global", "r", "k"):               "project",
		named("-example.com:vault-test", "global", "r", "k"):               "project",
		named("example.com-:vault-test", "global", "r", "k"):               "project",
		named("Example.com:vault-test", "global", "r", "k"):                "project",
		named(long+".com:vault-test", "global", "r", "k"):                  "project",
		named("-", "global", "r", "k"):                                     "project",
		named("vault-test", "", "r", "k"):                                  "location",
		named("vault-test", "Global", "r", "k"):                            "location",
		named("vault-test", "a b", "r", "k"):                               "location",
		named("vault-test", long, "r", "k"):                                "location",
		named("vault-test", "global", "", "k"):                             "key ring",
		named("vault-test", "global", "r.", "k"):                           "key ring",
		named("vault-test", "global", long, "k"):                           "key ring",
		named("vault-test", "global", "r", ""):                             "key",
		named("vault-test", "global", "r", "k "):                           "key",
		named("vault-test", "global", "r", "k\n"):                          "key",
		named("vault-test", "global", "r", "ké"):                           "key",
		named("vault-test", "global", "r", "k?x=1"):                        "key",
		named("vault-test", "global", "r", "%6b"):                          "key",
		named("vault-test", "global", "r", long):                           "key",
		named("vault-test", long[:60], strings.Repeat("r", 63), long+long): "name",
	} {
		err := checkName(name)
		var refused *NameError
		require.ErrorAs(t, err, &refused, name)
		require.Equal(t, field, refused.Field, name)
		if len(name) > 20 {
			require.NotContains(t, err.Error(), name)
		}
	}
}

// No name is longer than a key store holds, whatever its parts.
func TestNameTooLong(t *testing.T) {
	parts := strings.Repeat("x", 63)
	name := "projects/" + strings.Repeat("a", 30) + "/locations/" + parts + "/keyRings/" + parts + "/cryptoKeys/" + parts
	require.Greater(t, len(name), maxName)
	require.Error(t, checkName(name))
}

func TestNew(t *testing.T) {
	_, err := New(nil, testName, nil)
	require.ErrorContains(t, err, "client is nil")
	f := &fake{}
	k := f.serve(t)
	_, err = New(k.client, testName+"/cryptoKeyVersions/1", nil)
	var refused *NameError
	require.ErrorAs(t, err, &refused)
	require.Equal(t, "cryptoKeyVersions", refused.Field)
	require.Equal(t, testName, k.ID())
	require.Zero(t, f.calls.Load())
}

// FuzzName: what is taken has one spelling, eight parts and nothing that would
// mean something else in a URL or a log.
func FuzzName(f *testing.F) {
	for _, seed := range []string{testName, testName + "/cryptoKeyVersions/1", "projects/example.com:vault-test/locations/l/keyRings/R/cryptoKeys/K", "projects//locations//keyRings//cryptoKeys/", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if checkName(name) != nil {
			return
		}
		require.LessOrEqual(t, len(name), maxName)
		require.Len(t, strings.Split(name, "/"), 8)
		require.Empty(t, strings.Trim(name, lower+upper+digit+"-_./:"))
		n, ok := versionOf(name, name+"/cryptoKeyVersions/12")
		require.True(t, ok)
		require.Equal(t, uint64(12), n)
	})
}
