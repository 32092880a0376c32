package envelope

import (
	"encoding/hex"
	"encoding/json"
	"flag"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var updateVectors = flag.Bool("update", false, "write testdata/vectors.json anew")

// about is the head of vectors.json: how a reader in another language runs it.
var about = []string{
	"Known answers of sealed record format 1, specified by FORMAT.md. Made by TestVectorsAreCurrent in crypto/envelope.",
	"Bytes are lower-case hexadecimal, texts are UTF-8, 64-bit numbers are decimal strings (created is signed).",
	"keys stands for the key store, wrapped for the KMS: a stored-mode record's data key is found by keyId ('unknown key' otherwise),",
	"an inline one's by kek ('unknown key' if no entry has it) and then all of keyId, created and wrapped ('open' otherwise).",
	"Each record must open to its plaintext and each value beside it must be met on the way.",
	"Each failing vector has one fault, gives nothing, and ends in the error named: version, suite, unknown key, text or open.",
}

// TestVectorsAreCurrent makes every vector again and compares the file with it,
// byte for byte; with -update it writes the file instead.
func TestVectorsAreCurrent(t *testing.T) {
	data, err := json.MarshalIndent(makeVectors(t), "", " ")
	require.NoError(t, err)
	data = append(data, '\n')
	if *updateVectors {
		require.NoError(t, os.WriteFile(vectorsFile, data, 0o644))
		return
	}
	old, err := os.ReadFile(vectorsFile)
	require.NoError(t, err)
	require.True(t, string(data) == string(old), "%s is not what the code makes; a change of format is never wanted", vectorsFile)
}

// maker collects vectors. Every data key it used is found again by reference.
type maker struct {
	t testing.TB
	v vectors
}

// sealed describes one record to make; its zero values are the plain case.
type sealed struct {
	name       string
	key        string // label of the data key; "ones" is 32 bytes of 0xFF
	ref        Reference
	place      vPlace
	additional vAdditional
	plaintext  []byte
	salt       []byte
	nonce      []byte
}

func vectorDataKey(label string) []byte {
	if label == "ones" {
		return []byte(strings.Repeat("\xff", keySize))
	}
	return seed("data key "+label, keySize)
}

func (m *maker) know(dataKey []byte, r Reference) {
	if !r.Inline() {
		for _, k := range m.v.Keys {
			if KeyID(k.KeyID) == r.KeyID {
				require.Equal(m.t, []byte(k.DataKey), dataKey)
				return
			}
		}
		m.v.Keys = append(m.v.Keys, vKey{r.KeyID[:], dataKey})
		return
	}
	m.v.Wrapped = append(m.v.Wrapped, vWrapped{
		r.KEK[:], r.KeyID[:], strconv.FormatInt(r.Created, 10), r.Wrapped, dataKey,
	})
}

func (m *maker) record(s sealed) *vRecord {
	t := m.t
	dataKey := vectorDataKey(s.key)
	m.know(dataKey, s.ref)
	if s.salt == nil {
		s.salt = seed("salt "+s.name, SaltSize)
	}
	if s.nonce == nil {
		s.nonce = seed("nonce "+s.name, nonceSize)
	}
	if s.additional.Record == nil {
		s.additional.Record = seed("record "+s.name, 16)
	}
	if s.additional.Generation == "" {
		s.additional.Generation = "0"
	}
	if s.additional.Pairs == nil {
		s.additional.Pairs = [][2]string{}
	}
	aad, err := s.additional.value(t).AppendTo(nil)
	require.NoError(t, err, s.name)
	suite, ref, err := s.ref.encode()
	require.NoError(t, err, s.name)
	place := Place(s.place)
	out, err := expand(dataKey, &place, sealLabel, suite, ref, keySize+commitSize)
	require.NoError(t, err, s.name)
	scope, err := Derive(dataKey, s.ref, place)
	require.NoError(t, err, s.name)
	salt, key := Salt(s.salt), [keySize]byte{}
	scope.subkey(&key, &salt)
	sealing, err := scope.SealingKey(salt)
	require.NoError(t, err, s.name)
	record := sealFixed(t, sealing, s.nonce, s.plaintext, aad)
	m.v.Records = append(m.v.Records, vRecord{
		Name: s.name, Place: s.place, Additional: s.additional,
		Info: []byte(place.info(sealLabel, suite, ref)), ScopeKey: out[:keySize], Commitment: out[keySize:],
		K1: scope.k1[:], Salt: s.salt, SealingKey: key[:], Nonce: s.nonce, AAD: aad,
		Plaintext: s.plaintext, Record: record, Text: string(AppendText(nil, record)),
	})
	return &m.v.Records[len(m.v.Records)-1]
}

func makeVectors(t testing.TB) *vectors {
	m := &maker{t: t}
	m.v.About = about
	m.goodStored()
	m.goodInline()
	m.subkeys()
	m.refusedAdditional()
	m.failing()
	return &m.v
}

var (
	live    = vPlace{"production", "shop-eu", "pan"}
	codes   = vPlace{"production", "shop-eu", "cvc"}
	tokyo   = vPlace{"production", "läden-東京-🛒", "pan"}
	testPAN = mustHex("104111111111111111ffff") // the plaintext of package tokenize/seal
)

func mustHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

func pairs(nameValue ...string) (p [][2]string) {
	for i := 0; i < len(nameValue); i += 2 {
		p = append(p, [2]string{nameValue[i], nameValue[i+1]})
	}
	return p
}

func (m *maker) goodStored() {
	a, b := storedRef("a"), storedRef("b")
	ones := Reference{KeyID: KeyID([]byte(strings.Repeat("\xff", 16)))}
	zero := Reference{}
	maxGeneration := strconv.FormatUint(math.MaxUint64, 10)
	for _, s := range []sealed{
		{name: "stored PAN", key: "a", ref: a, place: live, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "stored PAN again, other salt and nonce", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Record: seed("record stored PAN", 16)}, plaintext: testPAN},
		{name: "stored PAN, next generation", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Record: seed("record stored PAN", 16), Generation: "1"}, plaintext: testPAN, salt: seed("salt stored PAN", SaltSize)},
		{name: "stored CVC", key: "b", ref: b, place: codes, additional: vAdditional{Field: 2}, plaintext: mustHex("03123f")},
		{name: "empty plaintext", key: "a", ref: a, place: live, additional: vAdditional{Field: 128}},
		{name: "field 0", key: "a", ref: a, place: live, plaintext: []byte("x")},
		{name: "field 255", key: "a", ref: a, place: live, additional: vAdditional{Field: 255}, plaintext: []byte("x")},
		{name: "network token", key: "a", ref: a, place: live, additional: vAdditional{Field: 3}, plaintext: testPAN},
		{name: "holder, 32 bytes", key: "a", ref: a, place: live, additional: vAdditional{Field: 4}, plaintext: append([]byte("\x00\x0aJ. Example"), make([]byte, 20)...)},
		{name: "e-mail, 64 bytes", key: "a", ref: a, place: live, additional: vAdditional{Field: 5}, plaintext: append([]byte("\x00\x23someone.with.a.long.name@example.org"), make([]byte, 26)...)},
		{name: "owner", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Owner: "merchant-17"}, plaintext: testPAN},
		{name: "owner in UTF-8", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Owner: "Müller & Søn\x00"}, plaintext: testPAN},
		{name: "owner of 300 bytes", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Owner: strings.Repeat("o", 300)}, plaintext: testPAN},
		{name: "largest generation", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Generation: maxGeneration}, plaintext: testPAN},
		{name: "generation above 2^53", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Generation: "9007199254740993"}, plaintext: testPAN},
		{name: "one pair", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Pairs: pairs("order", "2026-11")}, plaintext: testPAN},
		{name: "pair of empty value", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Pairs: pairs("order", "")}, plaintext: testPAN},
		{name: "owner, generation, pairs", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Owner: "m", Generation: "7", Pairs: pairs("A", "1", "a", "2", "aa", "3", "b", "4")}, plaintext: testPAN},
		// In UTF-16 the second name would come first.
		{name: "pairs sorted by UTF-8 bytes", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Pairs: pairs("～", "U+FF5E", "😀", "U+1F600")}, plaintext: testPAN},
		{name: "pairs of 1024 bytes", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Pairs: pairs("n", strings.Repeat("v", 511), "o", strings.Repeat("w", 511))}, plaintext: testPAN},
		{name: "scope in UTF-8", key: "a", ref: a, place: tokyo, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "scope of 255 bytes", key: "a", ref: a, place: vPlace{"production", strings.Repeat("s", 255), "pan"}, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "place of empty texts", key: "a", ref: a, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "environment ab, scope c", key: "a", ref: a, place: vPlace{"ab", "c", "pan"}, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "environment a, scope bc", key: "a", ref: a, place: vPlace{"a", "bc", "pan"}, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "custom purpose", key: "b", ref: b, place: vPlace{"test", "shop-eu", "x-notes"}, additional: vAdditional{Field: 130}, plaintext: []byte("note")},
		{name: "zero salt and nonce", key: "a", ref: a, place: live, additional: vAdditional{Field: 1, Record: make([]byte, 16)}, plaintext: testPAN, salt: make([]byte, 12), nonce: make([]byte, 12)},
		{name: "key, key ID, salt, nonce all ones", key: "ones", ref: ones, place: live, additional: vAdditional{Field: 255, Record: ones.KeyID[:]}, plaintext: []byte(strings.Repeat("\xff", 16)), salt: ones.KeyID[:12], nonce: ones.KeyID[:12]},
		{name: "key ID of zeros", key: "zero ID", ref: zero, place: live, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "one block", key: "a", ref: a, place: live, additional: vAdditional{Field: 128}, plaintext: seed("16", 16)},
		{name: "1000 bytes", key: "a", ref: a, place: live, additional: vAdditional{Field: 128}, plaintext: seed("1000", 1000)},
	} {
		m.record(s)
	}
}

func (m *maker) goodInline() {
	at := func(label string, wrapped int, created int64) Reference {
		r := inlineRef(label, wrapped)
		r.Created = created
		return r
	}
	for _, s := range []sealed{
		{name: "inline PAN", key: "i", ref: inlineRef("i", 60), place: live, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "inline, shortest wrapped key", key: "i1", ref: inlineRef("i1", 1), place: live, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "inline, longest wrapped key", key: "i2", ref: inlineRef("i2", MaxWrapped), place: live, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "inline, created at 0", key: "i3", ref: at("i3", 40, 0), place: live, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "inline, created before 1970", key: "i4", ref: at("i4", 40, -1), place: live, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "inline, created after 2106", key: "i5", ref: at("i5", 40, 1<<32+5), place: live, additional: vAdditional{Field: 1}, plaintext: testPAN},
		{name: "inline, empty plaintext", key: "i6", ref: inlineRef("i6", 184), place: live, additional: vAdditional{Field: 128}},
		{name: "inline, all of it", key: "i7", ref: inlineRef("i7", 184), place: tokyo, additional: vAdditional{Field: 129, Owner: "Ö", Generation: "2", Pairs: pairs("k", "v")}, plaintext: seed("text", 128)},
	} {
		m.record(s)
	}
}

func (m *maker) subkeys() {
	id := storedRef("a").KeyID
	for _, s := range []vSubkey{
		{Name: "plain", Place: vPlace{"production", "shop-eu", "index"}, Label: "example index"},
		{Name: "other label", Place: vPlace{"production", "shop-eu", "index"}, Label: "example indey"},
		{Name: "other scope", Place: vPlace{"production", "shop-us", "index"}, Label: "example index"},
		{Name: "other purpose", Place: vPlace{"production", "shop-eu", "analytics"}, Label: "example index"},
		{Name: "empty scope, UTF-8 label", Place: vPlace{"production", "", "audit"}, Label: "Kette"},
	} {
		dataKey, place := vectorDataKey("a"), Place(s.Place)
		key, err := Subkey(dataKey, id, place, s.Label)
		require.NoError(m.t, err)
		s.DataKey, s.KeyID, s.Subkey = dataKey, id[:], key
		s.Info = []byte(place.info(s.Label, SuiteXAES, id[:]))
		m.v.Subkeys = append(m.v.Subkeys, s)
	}
}

func (m *maker) refusedAdditional() {
	for name, p := range map[string][][2]string{
		"1 pairs not sorted":                pairs("b", "1", "a", "2"),
		"2 name twice":                      pairs("a", "1", "a", "2"),
		"3 name twice, same value":          pairs("a", "1", "a", "1"),
		"4 empty name":                      pairs("", "1"),
		"5 pairs of 1025 bytes":             pairs("n", strings.Repeat("v", 1024)),
		"6 pairs of 1025 bytes in many":     pairs("n", strings.Repeat("v", 512), "o", strings.Repeat("w", 511)),
		"7 sorted by UTF-16, not by bytes":  pairs("😀", "U+1F600", "～", "U+FF5E"),
		"8 sorted without regard to case A": pairs("a", "1", "B", "2"),
	} {
		m.v.Additional = append(m.v.Additional, vAdditional{
			Name: name[2:], Field: 1, Record: seed("record refused", 16), Generation: "0", Pairs: p,
		})
	}
	// A map has no order; the file must have one.
	sortAdditional(m.v.Additional)
}
