package ff1

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

const wycheproofDir = "testdata/wycheproof"

var wycheproofFrom = flag.String("wycheproof", "",
	"folder of Wycheproof's testvectors_v1: run all FF1 files there whole, and cut those of "+wycheproofDir+" anew")

// wycheproofFiles are what is committed of Wycheproof: the file there with its
// SHA-256, and the SHA-256 of what is kept of it.
var wycheproofFiles = []struct{ name, fromSum, sum string }{
	{
		"aes_ff1_base10_test.json",
		"d6672f96b9adb5cd811a5ea9b362aa874d18174653b6a17887ff43058855df7f",
		"efe04797a13eddeb6900dbdb135e38fb9f4f1d01b90c97a687db1c7ed98f37bb",
	},
	{
		"aes_ff1_radix10_test.json",
		"1f27701ec6df162ecc4eb303a95910d4b05fb5eebbca74c9b0738ec107446803",
		"9221f51242627069d0b6eb0da9e6648adc2c35c4d14a0fa04cfe68d6c02ff94b",
	},
	{
		"aes_ff1_base36_test.json",
		"92f72b703466bb436b55449653892ea27c62834fba1126b3a50235ff252f51be",
		"c7070acd695bfe729d452a080aa952d8e62d3019e58055d55ef90c9f35035433",
	},
	{
		"aes_ff1_radix255_test.json",
		"ee0e68abaefe0cbadeca6878d1934f3b20e05f8b09c977851ffcac9fb32de648",
		"6edabb7535fcb0b8547d36251ce3cb4f20936da1884709af95fdeabb09808f7e",
	},
	{
		"aes_ff1_radix65536_test.json",
		"4c431776f89add4e4198a8d4b80f52daa9482d77c02a420b61e1027d88878078",
		"bdb6e1ed3b3f73ba9ff6a47dd0bf7bb9f6ea3ceeed18e156cb9cc625648bb184",
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
			data, err := os.ReadFile(filepath.Join(*wycheproofFrom, f.name))
			require.NoError(t, err)
			require.Equal(t, f.fromSum, sumOf(data), f.name)
			require.NoError(t, os.WriteFile(path, firstOfEachFlag(t, data), 0o644))
		}
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, f.sum, sumOf(data), f.name)
	}
}

// firstOfEachFlag keeps of every group the first test with each flag, and leaves
// everything else as it is but for white space and the order of names.
func firstOfEachFlag(t *testing.T, data []byte) []byte {
	t.Helper()
	var file map[string]any
	require.NoError(t, json.Unmarshal(data, &file))
	for _, g := range file["testGroups"].([]any) {
		group, seen := g.(map[string]any), map[string]bool{}
		var kept []any
		for _, c := range group["tests"].([]any) {
			flags := fmt.Sprint(c.(map[string]any)["flags"])
			if !seen[flags] {
				seen[flags] = true
				kept = append(kept, c)
			}
		}
		group["tests"] = kept
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	require.NoError(t, e.Encode(file))
	return out.Bytes()
}

type wycheproofCase struct {
	TcID               int `json:"tcId"`
	Key, Tweak, Result string
	Flags              []string
	Msg, CT            json.RawMessage

	radix      int
	alphabet   string // "" where msg and ct are lists
	name       string
	key, tweak []byte
	text       []byte // msg, for radix 10 of lists too
	msg, ct    []int
}

func TestWycheproof(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(wycheproofDir, "*.json"))
	require.NoError(t, err)
	require.Len(t, paths, len(wycheproofFiles))
	if *wycheproofFrom != "" {
		paths, err = filepath.Glob(filepath.Join(*wycheproofFrom, "aes_ff1_*_test.json"))
		require.NoError(t, err)
		require.Len(t, paths, 22)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			count := map[string]int{}
			for _, c := range readWycheproof(t, path) {
				count[c.run(t)]++
			}
			t.Logf("%v", count)
			require.Greater(t, count["right"], 80)
			require.Greater(t, count["refused: numeral"], 20)
			require.Equal(t, 5, count["refused: key"])
			require.GreaterOrEqual(t, count["refused: domain"], 6)
		})
	}
}

func readWycheproof(t *testing.T, path string) (all []wycheproofCase) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var file struct {
		TestGroups []struct {
			Radix    int
			Alphabet string
			Tests    []wycheproofCase
		}
	}
	require.NoError(t, json.Unmarshal(data, &file))
	for _, g := range file.TestGroups {
		for _, c := range g.Tests {
			c.radix, c.alphabet, c.name = g.Radix, g.Alphabet, fmt.Sprint("case ", c.TcID)
			c.key, err = hex.DecodeString(c.Key)
			require.NoError(t, err)
			c.tweak, err = hex.DecodeString(c.Tweak)
			require.NoError(t, err)
			c.text, c.msg = c.read(t, c.Msg)
			_, c.ct = c.read(t, c.CT)
			all = append(all, c)
		}
	}
	return all
}

// read takes a string over the group's alphabet or a list of numbers. What is not
// in the alphabet becomes -1.
func (c *wycheproofCase) read(t *testing.T, raw json.RawMessage) (text []byte, list []int) {
	if c.alphabet == "" {
		require.NoError(t, json.Unmarshal(raw, &list))
		for _, x := range list {
			text = append(text, byte('0'+x))
		}
		return text, list
	}
	var s string
	require.NoError(t, json.Unmarshal(raw, &s))
	for _, r := range s {
		list = append(list, slices.Index([]rune(c.alphabet), r))
	}
	return []byte(s), list
}

// run holds a case to its result and says what that was.
func (c *wycheproofCase) run(t *testing.T) string {
	k, err := NewKey(c.key)
	if slices.Contains(c.Flags, "InvalidKeySize") {
		require.ErrorIs(t, err, errKey, c.name)
		return "refused: key"
	}
	require.NoError(t, err, c.name)
	cipher, err := k.Cipher(c.radix)
	require.NoError(t, err, c.name)
	plain, ok := c.words(c.msg)
	if !ok {
		require.Equal(t, "invalid", c.Result, c.name)
		return "refused: numeral"
	}
	wanted := ErrNumeral
	switch {
	// Revision 1 of the standard forbids what the first edition allowed, and
	// Wycheproof calls valid.
	case len(plain) < cipher.MinLen():
		require.True(t, slices.Contains(c.Flags, "SmallMessageSize") || slices.Contains(c.Flags, "InvalidMessageSize"), c.name)
		wanted = ErrDomain
	case c.Result == "valid":
		want, ok := c.words(c.ct)
		require.True(t, ok, c.name)
		checkAll(t, k, c.radix, plain, want, c.tweak, c.name)
		return "right"
	}
	_, err = cipher.Encrypt(nil, plain, c.tweak)
	require.ErrorIs(t, err, wanted, c.name)
	if c.radix == 10 && len(c.text) <= MaxDigits && wanted == ErrNumeral {
		d, err := k.Digits(len(c.text), &DigitsOptions{TweakSize: len(c.tweak)})
		require.NoError(t, err, c.name)
		_, err = d.Encrypt(nil, c.text, c.tweak)
		require.ErrorIs(t, err, ErrNumeral, c.name)
	}
	if wanted == ErrDomain {
		return "refused: domain"
	}
	return "refused: numeral"
}

// words are numerals as the interface takes them. What is none becomes 65535, but
// for the largest radix: there every uint16 is a numeral, and the type refuses it.
func (c *wycheproofCase) words(list []int) (out []uint16, ok bool) {
	for _, x := range list {
		if c.radix == MaxRadix && x != int(uint16(x)) {
			return nil, false
		}
		out = append(out, uint16(x))
	}
	return out, true
}
