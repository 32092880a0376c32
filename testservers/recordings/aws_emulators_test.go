package recordings

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// missing are fields of the real answers that neither server gives. Our backend
// reads none of them.
var missing = []string{"EncryptionAlgorithm", "KeyMaterialId", "KeyOrigin"}

// elsewhere is what a server says of a blob whose first bytes are altered, where
// AWS says InvalidCiphertextException: the servers keep the key's ID there, and
// then know no such key, unless it is no ID at all. (Our backend names the key in
// every call.)
var elsewhere = map[string]string{
	kmstest.LocalStack: "Bad Request NotFoundException",
	kmstest.Moto:       "Bad Request AccessDeniedException",
}

// The recorded requests, put to a stand-in, are answered in the recorded shape:
// status, error type, fields.
func TestAWSServersAnswerInTheRecordedShape(t *testing.T) {
	for _, server := range []string{kmstest.LocalStack, kmstest.Moto} {
		t.Run(server, func(t *testing.T) {
			s := kmstest.Need(t, server)
			makeAliases(t, s)
			for _, name := range awsFiles {
				t.Run(name, func(t *testing.T) { compare(t, server, s, name) })
			}
		})
	}
}

func compare(t *testing.T, name string, s kmstest.Server, file string) {
	type blob struct{ CiphertextBlob []byte }
	var recorded, ours [][]byte // what Encrypt gave, here and there
	for n, e := range readAWS(t, file) {
		asked := e.asked
		beheaded := false
		if e.target == "Decrypt" {
			var b blob
			require.NoError(t, json.Unmarshal(asked, &b))
			b.CiphertextBlob, beheaded = counterpart(b.CiphertextBlob, recorded, ours)
			var err error
			asked, err = json.Marshal(b)
			require.NoError(t, err)
		}
		got := put(t, s, e.target, asked)
		want, have := shape(t, e), shape(t, got)
		if beheaded {
			require.Equal(t, "Bad Request InvalidCiphertextException", want)
			require.Contains(t, []string{want, elsewhere[name]}, have)
			continue
		}
		assert.Equal(t, want, have, "%d: %s", n, got.answer)
		if e.target == "Encrypt" {
			var theirs, our blob
			require.NoError(t, json.Unmarshal(e.answer, &theirs))
			require.NoError(t, json.Unmarshal(got.answer, &our))
			recorded, ours = append(recorded, theirs.CiphertextBlob), append(ours, our.CiphertextBlob)
		}
	}
	for i, one := range ours {
		for _, other := range ours[:i] {
			require.NotEqual(t, other, one, "two encryptions are equal")
		}
	}
}

// counterpart is, of the blobs that the server gave, the one that stands where b
// stands in the recording, spoilt in the same way; and whether that spoils its
// first bytes.
func counterpart(b []byte, recorded, ours [][]byte) (_ []byte, beheaded bool) {
	for i, one := range recorded {
		for _, way := range []struct {
			spoil    func([]byte) []byte
			beheaded bool
		}{
			{func(p []byte) []byte { return p }, false},
			{func(p []byte) []byte { p[0]++; return p }, true},
			{func(p []byte) []byte { return slices.Delete(p, 1, 2) }, true},
			{func(p []byte) []byte { return append(p[:len(p)-2], p[len(p)-1]-1) }, false},
		} {
			if bytes.Equal(way.spoil(bytes.Clone(one)), b) {
				return way.spoil(bytes.Clone(ours[i])), way.beheaded
			}
		}
	}
	return b, false
}

var arn = regexp.MustCompile(`^arn:aws:kms:` + region + `:\d{12}:key/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// shape is what callers can tell an answer by.
// The type of the content is not among it: the stand-ins give another, and clients
// do not look.
func shape(t *testing.T, e exchange) string {
	t.Helper()
	var fields map[string]any
	require.NoError(t, json.Unmarshal(e.answer, &fields))
	if kind, ok := fields["__type"].(string); ok {
		_, kind, found := strings.Cut("#"+kind, "#")
		require.True(t, found)
		return http.StatusText(e.status) + " " + kind
	}
	if id, ok := fields["KeyId"].(string); ok {
		require.Regexp(t, arn, id)
	}
	if p, ok := fields["Plaintext"].(string); ok {
		require.Equal(t, "SSdtIGEgc2VjcmV0IG1lc3NhZ2Uh", p)
	}
	if e.target == "ListAliases" || fields["Aliases"] != nil {
		return http.StatusText(e.status) + " aliases"
	}
	for _, name := range missing {
		delete(fields, name)
	}
	return http.StatusText(e.status) + " " + strings.Join(slices.Sorted(maps.Keys(fields)), " ")
}

// makeAliases makes the two keys that the recordings name, unless they are there.
func makeAliases(t *testing.T, s kmstest.Server) {
	t.Helper()
	for _, alias := range aliases {
		if put(t, s, "DescribeKey", []byte(`{"KeyId":"`+alias+`"}`)).status == http.StatusOK {
			continue
		}
		var made struct {
			KeyMetadata struct {
				KeyID string `json:"KeyId"`
			}
		}
		e := put(t, s, "CreateKey", []byte(`{}`))
		require.Equal(t, http.StatusOK, e.status, string(e.answer))
		require.NoError(t, json.Unmarshal(e.answer, &made))
		e = put(t, s, "CreateAlias", []byte(`{"AliasName":"`+alias+`","TargetKeyId":"`+made.KeyMetadata.KeyID+`"}`))
		require.Equal(t, http.StatusOK, e.status, string(e.answer))
	}
}

// put sends a body as it is. The servers look at no signature.
func put(t *testing.T, s kmstest.Server, target string, body []byte) exchange {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL, bytes.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "TrentService."+target)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=FAKE/20260319/"+region+"/kms/aws4_request, SignedHeaders=host, Signature=0")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return exchange{target, body, res.StatusCode, res.Header, answer}
}
