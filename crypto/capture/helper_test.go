package capture

import (
	"crypto/fips140"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "draw the keys of testdata/keys.json anew; the messages there must follow")

// binding is what the messages of the tests belong to.
var binding = Binding{Environment: "test", Scope: "scope", Alias: "alias"}

var suites = []Suite{HPKEP256, HPKEX25519, HPKEXWing, JWERSA, JWEECDH}

type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	*h = b
	return err
}

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

// keyFile is a key pair of testdata/keys.json.
type keyFile struct {
	Name    string          `json:"name"`
	Suite   string          `json:"suite"`
	Kid     string          `json:"kid"`
	Private hexBytes        `json:"private"` // as Append writes it
	Public  hexBytes        `json:"public"`
	JWK     json.RawMessage `json:"jwk,omitempty"`
}

func readJSON(t testing.TB, name string, v any) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, v))
}

// served reports whether a suite is to be had: X25519 is not in FIPS-only mode,
// which TestFIPSRefusesX25519 sees to.
func served(s Suite) bool { return s != HPKEX25519 || !fips140.Enforced() }

// testKeys are the keys of testdata/keys.json by name: those of 3,072 bits take
// long to make, and messages made by others stay the same.
func testKeys(t testing.TB) map[string]*PrivateKey {
	t.Helper()
	var files []keyFile
	readJSON(t, "keys.json", &files)
	all := map[string]*PrivateKey{}
	for _, f := range files {
		s, err := ParseSuite(f.Suite)
		require.NoError(t, err)
		if !served(s) {
			continue
		}
		k, err := ParsePrivateKey(f.Private)
		require.NoError(t, err, f.Name)
		all[f.Name] = k
	}
	return all
}

// testKey is the key of a suite; of JWERSA the one of 2,048 bits, which opens
// fastest.
func testKey(t testing.TB, s Suite) *PrivateKey {
	t.Helper()
	if !served(s) {
		t.Skipf("%s is not to be had in FIPS-only mode", s)
	}
	name := s.String()
	if s == JWERSA {
		name += "-2048"
	}
	k := testKeys(t)[name]
	require.NotNil(t, k)
	return k
}

func seal(t testing.TB, k *PrivateKey, plaintext string) []byte {
	t.Helper()
	text, err := k.Public().Seal(nil, []byte(plaintext), binding)
	require.NoError(t, err)
	return text
}

// open parses and opens.
func open(k *PrivateKey, text []byte) ([]byte, error) {
	m, err := Parse(text)
	if err != nil {
		return nil, err
	}
	return k.Open(m, binding)
}

// refused demands that a message does not open, with the one error there is.
func refused(t testing.TB, k *PrivateKey, text []byte, what any) {
	t.Helper()
	plain, err := open(k, text)
	require.Equal(t, ErrOpen, err, what)
	require.Nil(t, plain, what)
}
