package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmskeytest"
	"github.com/cardseal/cardseal/internal/kmstest"
)

// kmses are the servers that keep a vault's key, each with a fresh one.
var kmses = []struct {
	name string
	key  func(t *testing.T) *kmskeytest.Key
}{
	{"localstack", func(t *testing.T) *kmskeytest.Key { return kmskeytest.AWS(t, kmstest.LocalStack) }},
	{"moto", func(t *testing.T) *kmskeytest.Key { return kmskeytest.AWS(t, kmstest.Moto) }},
	{"gcpkms", func(t *testing.T) *kmskeytest.Key { return kmskeytest.Google(t) }},
	{"openbao", func(t *testing.T) *kmskeytest.Key { k, _ := kmskeytest.Vault(t); return k }},
}

// eachKMS runs a test against every server.
func eachKMS(t *testing.T, test func(t *testing.T, w *world, key *kmskeytest.Key)) {
	for _, k := range kmses {
		t.Run(k.name, func(t *testing.T) {
			key := k.key(t)
			key.Use(t)
			test(t, newWorld(t), key)
		})
	}
}

// A vault whose key is in a KMS, from its making on.
func TestVaultInKMS(t *testing.T) {
	eachKMS(t, func(t *testing.T, w *world, key *kmskeytest.Key) {
		r := w.ok("init", "--kek", key.URI)
		require.Contains(t, r.out, "key    "+key.ID+"\n")
		require.NotContains(t, r.err, "the key is in a file")
		settings, err := os.ReadFile(filepath.Join(w.vaultDir(), "settings.json"))
		require.NoError(t, err)
		require.Contains(t, string(settings), `"kek": "`+key.URI+`"`)
		require.False(t, exists(filepath.Join(w.home, "config")), "a key file was made")

		w.ok("tokenize", "--in", testCards(t), "--out", w.path("tokens.csv"))
		opens := func(out string) {
			t.Helper()
			w.ok("detokenize", "--in", w.path("tokens.csv"), "--out", w.path(out), "--reason", "test")
			require.Equal(t, w.column(testCards(t), "number"), w.column(w.path(out), "number"))
		}
		require.Len(t, w.column(w.path("tokens.csv"), "token"), 40)
		opens("a.csv")

		// Another version of the key in the KMS, and another data key under it.
		key.Rotate()
		w.ok("keys", "rotate", "--purpose", "pan")
		w.ok("tokenize", "--in", testCards(t), "--out", w.path("again.csv"))
		require.Equal(t, w.read("tokens.csv"), w.read("again.csv"))
		opens("b.csv")

		r = w.ok("doctor")
		require.Contains(t, r.out, "guards the data keys under "+key.ID)
		require.Contains(t, r.out, "the key wraps and unwraps")
		require.NotContains(t, r.out, "development only")

		if key.Disable == nil {
			return
		}
		key.Disable()
		for _, args := range [][]string{
			{"tokenize", "--in", testCards(t), "--out", w.path("none")},
			{"detokenize", "--in", w.path("tokens.csv"), "--out", w.path("none"), "--reason", "test"},
			{"keys", "rotate", "--purpose", "pan"},
		} {
			r := w.run(args...)
			require.Equal(t, ExitFailed, r.code, r.err)
			require.Contains(t, r.err, "the key cannot serve: it, or its version that is needed, is disabled")
			require.False(t, exists(w.path("none")))
		}
		r = w.run("doctor")
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.out, "the key cannot serve")
		key.Enable()
		opens("c.csv")
	})
}

// doctor says that a KMS is away, and still looks at the rest.
func TestDoctorWithoutServer(t *testing.T) {
	for _, uri := range elsewhere(t, closedPort) {
		w := newWorld(t)
		w.ok("init")
		settings(`{"version":1,"kek":"`+uri+`","store":"bolt:vault.bolt"}`)(t, w, w.vaultDir())
		r := w.run("doctor")
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.out, "the KMS cannot be reached", uri)
		require.Contains(t, r.out, "has a format that this version knows")
		require.Contains(t, r.err, "1 of ")
	}
}

// A key that does not serve leaves no vault behind.
func TestInitTriesTheKey(t *testing.T) {
	eachKMS(t, func(t *testing.T, w *world, key *kmskeytest.Key) {
		r := w.run("init", "--kek", key.Missing)
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, "the KMS has no such key")
		require.False(t, exists(w.vaultDir()))
		if key.Disable != nil {
			key.Disable()
			r := w.run("init", "--kek", key.URI)
			require.Equal(t, ExitFailed, r.code)
			require.Contains(t, r.err, "the key cannot serve")
			require.False(t, exists(w.vaultDir()))
		}
	})
}

// closedPort is an address on loopback where nothing listens. A port that was free a
// moment ago may be another test's by now: the system gives this one to nobody.
const closedPort = "127.0.0.1:1"

// elsewhere points a URI of each scheme, and the environment it needs, at another
// address.
func elsewhere(t *testing.T, addr string) (uris []string) {
	kmskeytest.Bare(t)
	t.Setenv("AWS_ENDPOINT_URL_KMS", "http://"+addr)
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
	t.Setenv("CARDSEAL_GCP_KMS_ENDPOINT", addr)
	t.Setenv("VAULT_TOKEN", "t")
	return []string{
		"aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards",
		"gcp-kms://projects/my-project/locations/global/keyRings/r/cryptoKeys/k",
		"hcvault://" + addr + "/transit/keys/cards",
	}
}

func TestInitWithoutServer(t *testing.T) {
	for _, uri := range elsewhere(t, closedPort) {
		w := newWorld(t)
		r := w.run("init", "--kek", uri)
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, "the KMS cannot be reached", uri)
		require.False(t, exists(w.vaultDir()))
	}
}

// URIs that name no key end before anything is made or called, and what may be a
// secret in them is not repeated.
func TestURIsThatNameNoKey(t *testing.T) {
	kmskeytest.Bare(t)
	const secret = "hvsS3cr3tvalue"
	for uri, says := range map[string]string{
		"hcvault://user:" + secret + "@vault.example.com/transit/keys/k": "a URI is no place for a secret",
		"hcvault://vault.example.com/transit/keys/k?token=" + secret:     "has a name other than",
		"hcvault://vault.example.com/transit/keys/k?role=" + secret:      "does not belong to the auth method",
		"aws-kms://" + secret:                                      "must have the form arn:aws:kms",
		"gcp-kms://" + secret:                                      "must have the form projects/P/locations",
		"vault://vault.example.com/" + secret:                      "",
		"aws-kms://arn:aws:kms:eu-central-1:5018000000009:alias/x": "account must be 12 digits",
	} {
		w := newWorld(t)
		for _, args := range [][]string{{"init", "--kek", uri}, {"kek", "check", uri}, {"kek", "check", "--json", uri}} {
			r := w.run(args...)
			require.Equal(t, ExitUsage, r.code, r.err)
			require.Contains(t, r.err, says)
			require.NotContains(t, r.err, secret)
			require.Empty(t, r.out)
			require.False(t, exists(w.vaultDir()))
		}
	}
}

// The number of an AWS account may pass as a card's.
func TestAccountNumbers(t *testing.T) {
	const account = "501800000009"
	for arg, refused := range map[string]bool{
		account: true, "x://" + account: true, "--kek=x:" + account: true, "aws-kms:" + account: true,
		"aws-kms://arn:aws:kms:eu-central-1:" + account + ":alias/x":       false,
		"--kek=aws-kms://arn:aws:kms:eu-central-1:" + account + ":alias/x": false,
		"aws-kms://arn:aws:kms:eu-central-1:" + account + ":key/" + number: true,
	} {
		require.Equal(t, refused, namesCard(arg), arg)
	}
}
