package capture

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdh"
	"crypto/fips140"
	"crypto/hpke"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	fromWycheproof = flag.String("wycheproof", "", "folder of Wycheproof's module, to cut testdata/vectors anew")
	fromCIRCL      = flag.String("circl", "", "folder of CIRCL's module, to cut testdata/vectors anew")
	fromGo         = flag.String("goroot", "", "folder of Go, to cut testdata/vectors anew")
)

// vectorFiles are what is used of published vectors: where it is from, the SHA-256
// of that, how it is cut, and the SHA-256 of what is committed.
var vectorFiles = []struct {
	name               string
	dir                *string
	from, fromSum, sum string
	cut                func(v any) any
}{
	{
		"jwe.json", fromWycheproof, "testvectors_v1/json_web_encryption_test.json",
		"2fee073795830ee029ddb84d2d7bcbad05fde6e55ee2d00b153a0aa40a72d7d2",
		"c8dcc0b55795089e90bcd9a7e76a2fcd8c977370692d9683f32ea605eefb0066",
		func(v any) any {
			return groups(v, func(g map[string]any) bool { return g["private"].(map[string]any)["kty"] != "oct" })
		},
	},
	{
		"rsa_oaep_2048.json", fromWycheproof, "testvectors_v1/rsa_oaep_2048_sha256_mgf1sha256_test.json",
		"83dce701e3d8640ac56e6d7bf37a5a8f9bd6a336e1e932a1e9bfe4ba9c5ea3a9",
		"50516d547ad2d9ff3a74ad90f8cef8e77d4970ba4a2db942e0b40445111c5a85",
		func(v any) any { return groups(v, func(map[string]any) bool { return true }) },
	},
	{
		"hpke_rfc9180.json", fromCIRCL, "hpke/testdata/vectors_rfc9180_5f503c5.json.gz",
		"99195f41e2e113ae99c7d85b34dff8d9f9e151a9ead397ababc0d925265a2310",
		"910fc442732c237aa4d0714d0ca96c1345c2c93a6d6959c7a8f0e9cf980e0a9a",
		func(v any) any {
			return first(v, func(c map[string]any) bool {
				return c["mode"] == 0.0 && (c["kem_id"] == 16.0 || c["kem_id"] == 32.0) && c["kdf_id"] == 1.0 && c["aead_id"] == 2.0
			})
		},
	},
	{
		"hpke_xwing.json", fromGo, "src/crypto/hpke/testdata/hpke-pq.json",
		"963d5c3130d42d150ab0c70379c37b025effe0fa16efc9a15a9b5600a4981c95",
		"1108e875734311da5b59806f5392d03a90e7adcc904785916acfc668885f018b",
		func(v any) any {
			return first(v, func(c map[string]any) bool { return c["kem_id"] == 25722.0 && c["kdf_id"] == 1.0 })
		},
	},
}

// groups keeps some of a Wycheproof file's test groups.
func groups(v any, keep func(map[string]any) bool) any {
	file, kept := v.(map[string]any), []any{}
	for _, g := range file["testGroups"].([]any) {
		if keep(g.(map[string]any)) {
			kept = append(kept, g)
		}
	}
	file["testGroups"] = kept
	return file
}

// first keeps some of the ciphersuites of an HPKE file, and of each the first
// message, which is all that base mode has here.
func first(v any, keep func(map[string]any) bool) any {
	kept := []any{}
	for _, c := range v.([]any) {
		c := c.(map[string]any)
		if keep(c) {
			c["encryptions"] = c["encryptions"].([]any)[:1]
			delete(c, "exports")
			kept = append(kept, c)
		}
	}
	return kept
}

// TestVectorFiles proves that the committed files are what README.md there says,
// or cuts them anew.
func TestVectorFiles(t *testing.T) {
	for _, f := range vectorFiles {
		path := filepath.Join("testdata/vectors", f.name)
		if *f.dir != "" {
			data, err := os.ReadFile(filepath.Join(*f.dir, f.from))
			require.NoError(t, err)
			require.Equal(t, f.fromSum, sumOf(data), f.from)
			require.NoError(t, os.WriteFile(path, cutFile(t, data, f.cut), 0o644))
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, f.sum, sumOf(data), f.name)
	}
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func cutFile(t *testing.T, data []byte, cut func(any) any) []byte {
	t.Helper()
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(data))
		require.NoError(t, err)
		data, err = io.ReadAll(z)
		require.NoError(t, err)
	}
	var v any
	require.NoError(t, json.Unmarshal(data, &v))
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(cut(v)))
	return out.Bytes()
}

type hpkeVector struct {
	KEM         uint16 `json:"kem_id"`
	KDF         uint16 `json:"kdf_id"`
	AEAD        uint16 `json:"aead_id"`
	Info        hexBytes
	SkRm        hexBytes
	PkRm        hexBytes
	Enc         hexBytes
	Encryptions []struct{ AAD, CT, Ciphertext, PT, Plaintext hexBytes }
}

// The messages of RFC 9180's authors and of draft-ietf-hpke-pq. Their info and
// additional data are their own, and X-Wing comes with another AEAD there.
func TestHPKEVectors(t *testing.T) {
	run := 0
	for _, name := range []string{"hpke_rfc9180.json", "hpke_xwing.json"} {
		var all []hpkeVector
		readJSON(t, "vectors/"+name, &all)
		for _, v := range all {
			s := map[uint16]Suite{0x10: HPKEP256, 0x20: HPKEX25519, 0x647a: HPKEXWing}[v.KEM]
			h, ok := s.hpke()
			require.True(t, ok)
			require.Equal(t, v.KDF, h.kdf.ID())
			if s == HPKEXWing {
				h.aead = hpke.ChaCha20Poly1305()
			}
			require.Equal(t, v.AEAD, h.aead.ID())
			if fips140.Enforced() && s != HPKEP256 {
				continue // neither X25519 alone nor ChaCha20 is to be had
			}
			raw := append([]byte{version, byte(s)}, make([]byte, keyIDSize)...)
			k, err := ParsePrivateKey(append(raw, v.SkRm...))
			require.NoError(t, err)
			require.Equal(t, []byte(v.PkRm), k.Public().Bytes())
			require.Len(t, v.Enc, h.enc)
			e := v.Encryptions[0]
			ct, want := append(e.CT, e.Ciphertext...), append(e.PT, e.Plaintext...) // by either name
			got, err := openHPKE(k.reveal().hpke, h, v.Info, v.Enc, e.AAD, ct)
			require.NoError(t, err)
			require.Equal(t, []byte(want), got)
			_, err = openHPKE(k.reveal().hpke, h, v.Info[1:], v.Enc, e.AAD, ct)
			require.Error(t, err)
			run++
		}
	}
	if fips140.Enforced() {
		require.Equal(t, 1, run)
	} else {
		require.Equal(t, 3, run)
	}
}

type jwkFile struct{ Kty, Crv, Alg, Kid, N, E, D, P, Q, X, Y string }

// key is a vector's private key under the zero key ID, if it is of a kind that
// can be read.
func (j *jwkFile) key(t *testing.T) *PrivateKey {
	number := func(s string) *big.Int {
		b, err := base64.RawURLEncoding.DecodeString(s)
		require.NoError(t, err)
		return new(big.Int).SetBytes(b)
	}
	if j.Kty == "RSA" {
		k := &rsa.PrivateKey{
			PublicKey: rsa.PublicKey{N: number(j.N), E: int(number(j.E).Int64())}, D: number(j.D),
			Primes: []*big.Int{number(j.P), number(j.Q)},
		}
		k.Precompute()
		return newPrivate(JWERSA, KeyID{}, secret{rsa: k})
	}
	if j.Crv != curveP256 {
		return nil
	}
	k, err := ecdh.P256().NewPrivateKey(number(j.D).FillBytes(make([]byte, coord)))
	require.NoError(t, err)
	return newPrivate(JWEECDH, KeyID{}, secret{ecdh: k})
}

// Of Wycheproof's messages open those which are valid and of the two kinds that
// are read. Their kid, where there is one, is none of ours.
func TestWycheproofJWE(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Private jwkFile
			Tests   []struct {
				TcID                     int
				JWE, Enc, Result, Header string
				PT                       hexBytes
			}
		}
	}
	readJSON(t, "vectors/jwe.json", &file)
	opened, not := map[int]bool{}, 0
	anyKid := func([]byte) (KeyID, bool) { return KeyID{}, true }
	for _, g := range file.TestGroups {
		k := g.Private.key(t)
		if k == nil {
			continue
		}
		for _, c := range g.Tests {
			header, _, _ := strings.Cut(c.JWE, ".")
			text, _ := base64.RawURLEncoding.DecodeString(header)
			ours := c.Result == "valid" && strings.Contains(string(text), `"alg":"`+k.suite.alg()+`"`) &&
				strings.Contains(string(text), `"enc":"A256GCM"`)
			m, err := parseJWE([]byte(c.JWE), anyKid)
			var got []byte
			if err == nil {
				got, err = k.Open(m, Binding{})
			}
			if ours {
				require.NoError(t, err, c.TcID)
				require.Equal(t, []byte(c.PT), got, c.TcID)
				opened[c.TcID] = true
				continue
			}
			require.Equal(t, ErrOpen, err, c.TcID)
			not++
		}
	}
	require.Equal(t, map[int]bool{78: true, 90: true}, opened)
	require.Greater(t, not, 50)
}

func TestWycheproofOAEP(t *testing.T) {
	var file struct {
		TestGroups []struct {
			PrivateKeyPkcs8 hexBytes
			Tests           []struct {
				TcID           int
				Msg, CT, Label hexBytes
				Result         string
			}
		}
	}
	readJSON(t, "vectors/rsa_oaep_2048.json", &file)
	results := map[string]int{}
	for _, g := range file.TestGroups {
		parsed, err := x509.ParsePKCS8PrivateKey(g.PrivateKeyPkcs8)
		require.NoError(t, err)
		for _, c := range g.Tests {
			got, err := decryptOAEP(parsed.(*rsa.PrivateKey), c.CT)
			if c.Result != "valid" || len(c.Label) > 0 {
				require.Error(t, err, c.TcID)
				results["refused"]++
				continue
			}
			require.NoError(t, err, c.TcID)
			require.True(t, bytes.Equal(c.Msg, got), c.TcID)
			results["valid"]++
		}
	}
	require.Greater(t, results["valid"], 9)
	require.Greater(t, results["refused"], 20)
}
