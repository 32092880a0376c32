package formatcheck

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
)

const (
	vectorsFile = "../../crypto/envelope/testdata/vectors.json"
	hkdfFile    = "../../crypto/envelope/testdata/wycheproof/hkdf_sha256.json"
)

// node runs check.mjs and returns its standard output. Where Node is missing the
// test is skipped with a word on how to get it; in CI (CI=true) it fails.
func node(t *testing.T, args ...string) []byte {
	t.Helper()
	path, err := exec.LookPath("node")
	if err != nil {
		const missing = "the second implementation of the format was NOT run: install Node 18 or later (https://nodejs.org) and put node on the PATH"
		if os.Getenv("CI") == "true" {
			t.Fatal(missing)
		}
		t.Skip(missing)
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, append([]string{"check.mjs"}, args...)...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	return out
}

type record struct {
	Name  string
	Place envelope.Place
	AAD   string
	Plain string `json:"plaintext"`
	// Record gives the header's reference, which the new record must repeat.
	Record string
}

type vectors struct {
	Keys              []struct{ KeyID, DataKey string }
	Wrapped           []struct{ KEK, KeyID, Created, Wrapped, DataKey string }
	Records           []record
	Failing           []struct{ Name string }
	Subkeys           []struct{ Name string }
	AdditionalRefused []struct{ Name string }
}

func load(t *testing.T) (v vectors) {
	t.Helper()
	data, err := os.ReadFile(vectorsFile)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &v))
	return v
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	require.NoError(t, err)
	return b
}

// dataKey finds the key a record names.
func (v *vectors) dataKey(t *testing.T, r envelope.Reference) []byte {
	t.Helper()
	if !r.Inline() {
		for _, k := range v.Keys {
			if k.KeyID == r.KeyID.String() {
				return unhex(t, k.DataKey)
			}
		}
	}
	for _, w := range v.Wrapped {
		if w.KEK == hex.EncodeToString(r.KEK[:]) && w.KeyID == r.KeyID.String() &&
			w.Created == strconv.FormatInt(r.Created, 10) && w.Wrapped == hex.EncodeToString(r.Wrapped) {
			return unhex(t, w.DataKey)
		}
	}
	t.Fatal("no such data key")
	return nil
}

func TestNodeAgrees(t *testing.T) {
	v := load(t)
	var counts map[string]int
	require.NoError(t, json.Unmarshal(node(t, "check"), &counts))
	require.Equal(t, map[string]int{
		"records": len(v.Records), "failing": len(v.Failing),
		"subkeys": len(v.Subkeys), "additionalRefused": len(v.AdditionalRefused),
	}, counts)
}

func TestNodeExpandsLikeWycheproof(t *testing.T) {
	var counts map[string]int
	require.NoError(t, json.Unmarshal(node(t, "hkdf", hkdfFile), &counts))
	require.Greater(t, counts["hkdf"], 30)
}

// TestNodeSeals opens with Go what Node sealed, one record for each good case.
func TestNodeSeals(t *testing.T) {
	v := load(t)
	byName := map[string]record{}
	for _, r := range v.Records {
		byName[r.Name] = r
	}
	lines := bufio.NewScanner(bytes.NewReader(node(t, "seal")))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var sealed struct{ Name, Text string }
		require.NoError(t, json.Unmarshal(lines.Bytes(), &sealed))
		t.Run(sealed.Name, func(t *testing.T) {
			want, ok := byName[sealed.Name]
			require.True(t, ok)
			delete(byName, sealed.Name)
			record, err := envelope.ParseText(nil, sealed.Text)
			require.NoError(t, err)
			require.NotEqual(t, unhex(t, want.Record), record)
			header, err := envelope.Inspect(record)
			require.NoError(t, err)
			given, err := envelope.Inspect(unhex(t, want.Record))
			require.NoError(t, err)
			require.Equal(t, given.Reference, header.Reference)
			scope, err := envelope.Derive(v.dataKey(t, header.Reference), header.Reference, want.Place)
			require.NoError(t, err)
			key, err := scope.SealingKeyFor(record)
			require.NoError(t, err)
			got, err := key.Open([]byte{}, record, unhex(t, want.AAD))
			require.NoError(t, err)
			require.Equal(t, unhex(t, want.Plain), got)
		})
	}
	require.NoError(t, lines.Err())
	require.Empty(t, byName, "cases that Node did not seal")
}
