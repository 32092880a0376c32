// Package kmskeytest makes keys in the KMS servers that tests run, and says how
// they are reached by URI: what opens keys by URI is tested against each.
package kmskeytest

import (
	"crypto/rand"
	"encoding/hex"
	"os"
	"testing"
)

// Key is a key of one test's own.
type Key struct {
	URI     string            // as package backends/kek/open takes it
	ID      string            // of the KEK
	Missing string            // the URI of a key that does not exist there
	Env     map[string]string // what reaches the server

	Disable func() // until Enable
	Enable  func()
	Rotate  func()
}

// Use sets the environment for this test, and nothing else that a vendor's client
// would find on this machine.
func (k *Key) Use(t testing.TB) {
	Bare(t)
	for name, value := range k.Env {
		t.Setenv(name, value)
	}
}

// Bare hides whatever the vendors' clients would find on this machine.
func Bare(t testing.TB) {
	t.Setenv("HOME", t.TempDir())
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE",
		"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KMS", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ROLE_ARN",
		"AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
		"GOOGLE_APPLICATION_CREDENTIALS", "CARDSEAL_GCP_KMS_ENDPOINT",
		"VAULT_TOKEN", "VAULT_ADDR", "VAULT_AGENT_ADDR", "VAULT_NAMESPACE", "VAULT_CACERT", "VAULT_CACERT_BYTES",
		"VAULT_CAPATH", "VAULT_SKIP_VERIFY", "VAULT_HEADERS", "VAULT_HTTP_PROXY", "VAULT_PROXY_ADDR",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	t.Setenv("AWS_CONFIG_FILE", os.DevNull)
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", os.DevNull)
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1")
}

// random is what tells a name from every other test's. Its digits may all be decimal
// and pass as a card number, which no argument may: a letter stands before them.
func random() string {
	b := make([]byte, 6)
	rand.Read(b)
	return hex.EncodeToString(b)
}
