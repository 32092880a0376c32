package envelope

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

const wycheproofDir = "testdata/wycheproof"

var wycheproofFrom = flag.String("wycheproof", "",
	"folder of Wycheproof's testvectors_v1: cut the files of "+wycheproofDir+" from it anew")

// wycheproofFiles are what is used of Wycheproof: the file there, its SHA-256, the
// groups kept, and the SHA-256 of what is committed.
var wycheproofFiles = []struct {
	name, from, fromSum, sum string
	keep                     func(g map[string]any) bool
}{
	{
		"aes_gcm.json", "aes_gcm_test.json",
		"985e5ecc172e181eaf49e89508b9470dcf478002eb7e8559c707eb42dc97dfe7",
		"a9878375c55e2585ee35beae1b1d7e10b1d76f79e93823b25f23a926a66f1029",
		func(g map[string]any) bool {
			return g["keySize"] == 256.0 && g["ivSize"] == 96.0 && g["tagSize"] == 128.0
		},
	},
	{
		"aes_cmac.json", "aes_cmac_test.json",
		"c1b441008b5355d8070c50e2533f9c1230759015268c3770ea4b0d6d19f8f134",
		"bdd01ab831f4a27b14efa5ae88088e34ad3b3f3cc7aee3155976ec71877b9535",
		func(g map[string]any) bool { return g["keySize"] == 256.0 },
	},
	{
		"hkdf_sha256.json", "hkdf_sha256_test.json",
		"bb2b462a38b251cb52a2aede706d6d4b62b26864f4e80c95497507ddb07c5f1e",
		"da4a20a3ca73a27fe27737484b5ebd610d3f99f774b0cdff8033a38cd4b6cdc9",
		func(g map[string]any) bool { return g["keySize"] == 256.0 },
	},
}

func sumOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// TestWycheproofFiles proves that the committed files are what README.md there
// says, or cuts them anew.
func TestWycheproofFiles(t *testing.T) {
	for _, f := range wycheproofFiles {
		path := filepath.Join(wycheproofDir, f.name)
		if *wycheproofFrom != "" {
			data, err := os.ReadFile(filepath.Join(*wycheproofFrom, f.from))
			require.NoError(t, err)
			require.Equal(t, f.fromSum, sumOf(data), f.from)
			require.NoError(t, os.WriteFile(path, cutGroups(t, data, f.keep), 0o644))
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, f.sum, sumOf(data), f.name)
	}
}

// cutGroups keeps some groups of a file and leaves everything else as it is, but
// for white space and the order of names.
func cutGroups(t *testing.T, data []byte, keep func(map[string]any) bool) []byte {
	t.Helper()
	var file map[string]any
	require.NoError(t, json.Unmarshal(data, &file))
	var groups []any
	for _, g := range file["testGroups"].([]any) {
		if keep(g.(map[string]any)) {
			groups = append(groups, g)
		}
	}
	file["testGroups"] = groups
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	require.NoError(t, e.Encode(file))
	return out.Bytes()
}

type wycheproofTest struct {
	TcID   int `json:"tcId"`
	Result string

	Key, IV, AAD, Msg, CT, Tag hexBytes // AEAD and MAC
	IKM, Salt, Info, OKM       hexBytes // HKDF
	Size                       int
}

func wycheproof(t *testing.T, name string) (all []wycheproofTest) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(wycheproofDir, name))
	require.NoError(t, err)
	var file struct {
		TestGroups []struct{ Tests []wycheproofTest }
	}
	require.NoError(t, json.Unmarshal(data, &file))
	for _, g := range file.TestGroups {
		all = append(all, g.Tests...)
	}
	return all
}

// keyOf is a sealing key with a given AES key in place of a derived one.
func keyOf(t *testing.T, aesKey []byte) *SealingKey {
	t.Helper()
	s := testKey(t, storedRef("wycheproof"))
	block, err := aes.NewCipher(aesKey)
	require.NoError(t, err)
	s.aead, err = cipher.NewGCMWithRandomNonce(block)
	require.NoError(t, err)
	return s
}

func TestWycheproofAESGCM(t *testing.T) {
	results := map[string]int{}
	for _, c := range wycheproof(t, "aes_gcm.json") {
		s := keyOf(t, c.Key)
		record := bytes.Join([][]byte{s.header, c.IV, c.CT, c.Tag}, nil)
		got, err := s.Open([]byte{}, record, c.AAD)
		results[c.Result]++
		if c.Result == "valid" {
			require.NoError(t, err, c.TcID)
			require.Equal(t, []byte(c.Msg), got, c.TcID)
			continue
		}
		require.ErrorIs(t, err, ErrOpen, c.TcID)
		require.Nil(t, got, c.TcID)
	}
	require.Greater(t, results["valid"], 30)
	require.Greater(t, results["invalid"], 20)
}

// TestWycheproofCMAC uses the messages of exactly one block: CMAC of those is
// E(M xor K1), which is all that XAES takes from it.
func TestWycheproofCMAC(t *testing.T) {
	results := map[string]int{}
	for _, c := range wycheproof(t, "aes_cmac.json") {
		if len(c.Msg) != aes.BlockSize || len(c.Tag) != aes.BlockSize {
			continue
		}
		block, err := aes.NewCipher(c.Key)
		require.NoError(t, err)
		k1, mac := cmacSubkey(block), make([]byte, aes.BlockSize)
		for i := range mac {
			mac[i] = c.Msg[i] ^ k1[i]
		}
		block.Encrypt(mac, mac)
		require.Equal(t, c.Result == "valid", bytes.Equal(mac, c.Tag), c.TcID)
		results[c.Result]++
	}
	require.NotZero(t, results["valid"])
	require.NotZero(t, results["invalid"])
}

// TestWycheproofHKDF checks the expand step that derive.go relies on, with the
// 32-byte keys that extraction gives. Some of the inputs to extraction are
// shorter than fips140=only allows, which is no concern of ours: no data key is.
func TestWycheproofHKDF(t *testing.T) {
	run := 0
	for _, c := range wycheproof(t, "hkdf_sha256.json") {
		if c.Result != "valid" {
			continue
		}
		var key []byte
		var err error
		fips140.WithoutEnforcement(func() { key, err = hkdf.Extract(sha256.New, c.IKM, c.Salt) })
		require.NoError(t, err, c.TcID)
		require.Len(t, key, keySize)
		got, err := hkdf.Expand(sha256.New, key, string(c.Info), c.Size)
		require.NoError(t, err, c.TcID)
		require.Equal(t, []byte(c.OKM), got, c.TcID)
		run++
	}
	require.Greater(t, run, 30)
}
