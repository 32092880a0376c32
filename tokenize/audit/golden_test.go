package audit_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/audit"
)

var update = flag.Bool("update", false, "write the logs in testdata anew")

const (
	goldenFile   = "testdata/chain-1.log"
	goldenAnchor = "testdata/chain-1.anchor"
)

// makeGolden writes the log that later versions must read: plain lines before it, a
// torn line in it, odd texts, two keys.
func makeGolden(t *testing.T) {
	require.NoError(t, os.WriteFile(goldenFile, []byte("{\"msg\":\"audit\",\"action\":\"save\"}\n"), 0o600))
	record := func(key fixed, events ...audit.Event) audit.Anchor {
		f, err := audit.OpenFile(goldenFile, key, nil)
		require.NoError(t, err)
		require.NoError(t, f.Record(t.Context(), events))
		a, _ := f.Head()
		require.NoError(t, f.Close())
		return a
	}
	record(1, full, audit.Event{Time: full.Time, Action: audit.Save, Outcome: audit.Created, Token: "é \"\\\n\x01"})
	content, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(goldenFile, append(content, `{"v":1,"chain":"to`...), 0o600))
	record(1, full)
	a := record(2, full, audit.Event{Time: full.Time, Action: "an action to come", Outcome: "an outcome to come"})
	require.NoError(t, os.WriteFile(goldenAnchor, []byte(a.String()), 0o600))
}

// What this version wrote, every later one reads.
func TestReadsVersion1(t *testing.T) {
	if *update {
		makeGolden(t)
	}
	content, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	text, err := os.ReadFile(goldenAnchor)
	require.NoError(t, err)
	a, err := audit.ParseAnchor(string(text))
	require.NoError(t, err)
	r, err := audit.Verify(t.Context(), bytes.NewReader(content), fixed(2), &audit.VerifyOptions{Anchor: &a})
	require.NoError(t, err)
	require.Equal(t, a, r.Head)
	require.Equal(t, uint64(7), r.Lines)
	require.Equal(t, uint64(5), r.Events)
	require.Equal(t, []audit.Gap{{Line: 1, Bytes: 32}, {Line: 5, Bytes: 19}}, r.Gaps)
	require.Equal(t, 2, r.Keys)
}

// The MACs are what the package's comment says, computed here without it.
func TestFormatByHand(t *testing.T) {
	content, err := os.ReadFile(goldenFile)
	require.NoError(t, err)
	before, checked := make([]byte, 32), 0
	for _, text := range lines(content) {
		signed, _, ok := bytes.Cut(text, []byte(`,"mac":"`))
		if !ok {
			continue
		}
		var l struct {
			Chain, MAC, Key string
			Seq             uint64
		}
		require.NoError(t, json.Unmarshal(text, &l))
		id, err := base64.RawURLEncoding.DecodeString(l.Chain)
		require.NoError(t, err)
		key := byte(l.Key[1] - '0')
		m := hmac.New(sha256.New, bytes.Repeat([]byte{key}, 32))
		m.Write([]byte("\x13cardseal audit line"))
		m.Write(id)
		m.Write(binary.BigEndian.AppendUint64(nil, l.Seq))
		m.Write(before)
		m.Write(binary.BigEndian.AppendUint64(nil, uint64(len(signed))))
		m.Write(signed)
		before = m.Sum(nil)
		require.Equal(t, base64.RawURLEncoding.EncodeToString(before), l.MAC)
		checked++
	}
	require.Equal(t, 7, checked)
}
