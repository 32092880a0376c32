package formatcheck

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
)

// document is FORMAT.md with all white space gone, so that long values broken
// over lines can be searched for.
func document(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../../FORMAT.md")
	require.NoError(t, err)
	return strings.Join(strings.Fields(string(data)), "")
}

// TestWorkedExample holds section 16 of FORMAT.md to the known answers.
func TestWorkedExample(t *testing.T) {
	data, err := os.ReadFile(vectorsFile)
	require.NoError(t, err)
	var v struct {
		Keys    []map[string]string
		Records []map[string]any
	}
	require.NoError(t, json.Unmarshal(data, &v))
	_, example, found := strings.Cut(document(t), "##16.Workedexample")
	require.True(t, found)
	require.Equal(t, "stored PAN", v.Records[0]["name"])
	want := "datakey" + v.Keys[0]["dataKey"] + "keyID" + v.Keys[0]["keyId"]
	for _, line := range [][2]string{
		{"info", "info"}, {"scopekey", "scopeKey"}, {"commitment", "commitment"}, {"K1", "k1"}, {"salt", "salt"},
		{"sealingkey", "sealingKey"}, {"nonce", "nonce"}, {"additional", "aad"}, {"plaintext", "plaintext"},
		{"record", "record"}, {"text", "text"},
	} {
		want += line[0] + v.Records[0][line[1]].(string)
	}
	require.Contains(t, example, want)
}

// TestCaptureExample does the same for section 17, with a message that another library
// made.
func TestCaptureExample(t *testing.T) {
	var pairs []struct{ Name, Private string }
	var messages []struct{ Key, Made, Plaintext, Message string }
	for name, v := range map[string]any{"keys.json": &pairs, "javascript.json": &messages} {
		data, err := os.ReadFile("../../crypto/capture/testdata/" + name)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(data, v))
	}
	sent := messages[1]
	require.Equal(t, "hpke-p256 @hpke/core", sent.Key+" "+sent.Made)
	require.Equal(t, sent.Key, pairs[0].Name)
	raw, err := hex.DecodeString(pairs[0].Private)
	require.NoError(t, err)
	k, err := capture.ParsePrivateKey(raw)
	require.NoError(t, err)
	m, err := capture.Parse([]byte(sent.Message))
	require.NoError(t, err)
	b := capture.Binding{Environment: "test", Scope: "scope", Alias: "alias"}
	plain, err := k.Open(m, b)
	require.NoError(t, err)
	info, err := k.Public().Info(b)
	require.NoError(t, err)
	var key [capture.DigestSize]byte
	for i := range key {
		key[i] = byte(i)
	}
	digest := m.Digest(&key)
	_, example, found := strings.Cut(document(t), "##17.Capturekeysandmessages")
	require.True(t, found)
	require.Contains(t, example, "capturekey"+pairs[0].Private+"info"+hex.EncodeToString(info)+"message"+sent.Message+
		"plaintext"+strings.ReplaceAll(string(plain), " ", "")+"digest"+hex.EncodeToString(digest[:]))
}

// TestBindingExample does the same for section 10.
func TestBindingExample(t *testing.T) {
	b := keys.Binding{Environment: "production", Purpose: keys.PAN, Created: time.Unix(1780000000, 0)}
	for i := range b.KeyID {
		b.KeyID[i] = byte(i)
	}
	digest := b.Digest()
	require.Contains(t, document(t), "AAD"+hex.EncodeToString(b.AAD())+"Digest"+hex.EncodeToString(digest[:]))
}

// TestPlaintextExamples does the same for section 9.
func TestPlaintextExamples(t *testing.T) {
	doc := document(t)
	for _, number := range []string{"4111111111111111", "378282246310005"} {
		pan, err := card.ParsePAN(number)
		require.NoError(t, err)
		require.Contains(t, doc, "`"+hex.EncodeToString(pan.AppendPacked(nil))+"`")
	}
	code, err := card.ParseCVC("123")
	require.NoError(t, err)
	require.Contains(t, doc, "`"+hex.EncodeToString(code.AppendPacked(nil))+"`")
}
