package envelope

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

const vectorsFile = "testdata/vectors.json"

// hexBytes is bytes in lower-case hexadecimal, as vectors.json writes them.
type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vectors is the shape of vectors.json. 64-bit numbers are decimal strings, since
// JSON numbers lose their last bits in some languages.
type vectors struct {
	About      []string      `json:"about"`
	Keys       []vKey        `json:"keys"`
	Wrapped    []vWrapped    `json:"wrapped"`
	Additional []vAdditional `json:"additionalRefused"`
	Subkeys    []vSubkey     `json:"subkeys"`
	Records    []vRecord     `json:"records"`
	Failing    []vFailing    `json:"failing"`
}

type vKey struct {
	KeyID   hexBytes `json:"keyId"`
	DataKey hexBytes `json:"dataKey"`
}

type vWrapped struct {
	KEK     hexBytes `json:"kek"`
	KeyID   hexBytes `json:"keyId"`
	Created string   `json:"created"`
	Wrapped hexBytes `json:"wrapped"`
	DataKey hexBytes `json:"dataKey"`
}

type vPlace struct {
	Environment string `json:"environment"`
	Scope       string `json:"scope"`
	Purpose     string `json:"purpose"`
}

type vAdditional struct {
	Name       string      `json:"name,omitempty"`
	Field      byte        `json:"field"`
	Record     hexBytes    `json:"record"`
	Owner      string      `json:"owner"`
	Generation string      `json:"generation"`
	Pairs      [][2]string `json:"pairs"`
}

type vSubkey struct {
	Name    string   `json:"name"`
	DataKey hexBytes `json:"dataKey"`
	KeyID   hexBytes `json:"keyId"`
	Place   vPlace   `json:"place"`
	Label   string   `json:"label"`
	Info    hexBytes `json:"info"`
	Subkey  hexBytes `json:"subkey"`
}

type vRecord struct {
	Name       string      `json:"name"`
	Place      vPlace      `json:"place"`
	Additional vAdditional `json:"additional"`
	Info       hexBytes    `json:"info"`
	ScopeKey   hexBytes    `json:"scopeKey"`
	Commitment hexBytes    `json:"commitment"`
	K1         hexBytes    `json:"k1"`
	Salt       hexBytes    `json:"salt"`
	SealingKey hexBytes    `json:"sealingKey"`
	Nonce      hexBytes    `json:"nonce"`
	AAD        hexBytes    `json:"aad"`
	Plaintext  hexBytes    `json:"plaintext"`
	Record     hexBytes    `json:"record"`
	Text       string      `json:"text"`
}

type vFailing struct {
	Name       string      `json:"name"`
	Error      string      `json:"error"`
	Place      vPlace      `json:"place"`
	Additional vAdditional `json:"additional"`
	Record     hexBytes    `json:"record,omitempty"`
	Text       *string     `json:"text,omitempty"` // instead of Record
}

func (a *vAdditional) value(t testing.TB) *Additional {
	t.Helper()
	g, err := strconv.ParseUint(a.Generation, 10, 64)
	require.NoError(t, err)
	out := &Additional{Field: a.Field, Record: RecordID(a.Record), Owner: a.Owner, Generation: g}
	for _, p := range a.Pairs {
		out.Pairs = append(out.Pairs, Pair{p[0], p[1]})
	}
	return out
}

func loadVectors(t testing.TB) *vectors {
	t.Helper()
	data, err := os.ReadFile(vectorsFile)
	require.NoError(t, err)
	v := new(vectors)
	require.NoError(t, json.Unmarshal(data, v))
	return v
}
