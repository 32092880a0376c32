package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWrongPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, CreatePassphraseFile(path, passphrase, cheap))
	for _, wrong := range [][]byte{
		nil, {}, []byte("A phrase for tests"), []byte("a phrase for tests "),
		[]byte("a phrase for test"), append(bytes.Clone(passphrase), 0), bytes.Repeat([]byte("x"), 1<<16),
	} {
		k, err := OpenPassphraseFile(path, wrong)
		require.ErrorIs(t, err, ErrPassphrase)
		require.Nil(t, k)
		require.EqualError(t, err, ErrPassphrase.Error())
	}
	kept := bytes.Clone(passphrase)
	_, err := OpenPassphraseFile(path, passphrase)
	require.NoError(t, err)
	require.Equal(t, kept, passphrase, "the caller's passphrase is wiped by the caller")
}

func TestShortPassphrase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	for _, short := range []string{"", "seven b"} {
		var p *ParamError
		require.ErrorAs(t, CreatePassphraseFile(path, []byte(short), cheap), &p)
		require.Equal(t, "passphrase", p.Field)
		require.NoFileExists(t, path)
	}
	require.NoError(t, CreatePassphraseFile(path, []byte("8 bytes!"), cheap))
}

// TestPassphraseFile: what is in the file, and that nothing in it repeats.
func TestPassphraseFile(t *testing.T) {
	seen := map[string]bool{}
	for range 4 {
		path := filepath.Join(t.TempDir(), "kek")
		require.NoError(t, CreatePassphraseFile(path, passphrase, cheap))
		content := mustRead(t, path)
		require.NotContains(t, string(content), string(passphrase))
		var f passFile
		require.NoError(t, json.Unmarshal(content, &f))
		require.Equal(t, "argon2id", f.KDF)
		require.Equal(t, *cheap, Params{f.Time, f.MemoryKiB, f.Threads})
		require.Len(t, f.Salt, 32)
		require.Len(t, f.Wrapped, 120)
		for _, random := range []string{f.ID, f.Salt, f.Wrapped} {
			require.False(t, seen[random])
			seen[random] = true
		}
	}
}

// TestPassphraseFileAltered alters each bit of a file: it is refused, as
// malformed or by the tag, since all that steers its opening is authenticated.
func TestPassphraseFileAltered(t *testing.T) {
	good := mustRead(t, "testdata/passphrase.json")
	_, err := OpenPassphraseFile(secretFile(t, good), passphrase)
	require.NoError(t, err)
	path := secretFile(t, good)
	for bit := range 8 * len(good) {
		altered := bytes.Clone(good)
		altered[bit/8] ^= 1 << (bit % 8)
		k, err := openPassphraseFile(path, altered, func() ([]byte, error) { return passphrase, nil })
		require.Nil(t, k, "bit %d", bit)
		if f := (*FileError)(nil); !asFileError(err, &f) {
			require.ErrorIs(t, err, ErrPassphrase, "bit %d", bit)
		}
	}
}

func TestPassphraseFileMalformed(t *testing.T) {
	good := string(mustRead(t, "testdata/passphrase.json"))
	with := func(old, new string) string {
		require.Contains(t, good, old)
		return strings.Replace(good, old, new, 1)
	}
	for name, content := range map[string]string{
		"empty":             "",
		"null":              "null\n",
		"no object":         "[]\n",
		"cut":               good[:len(good)/2],
		"no last line end":  strings.TrimSpace(good),
		"more behind it":    good + "{}\n",
		"a member more":     with("{\n", "{\n  \"extra\": 1,\n"),
		"a member twice":    with(`"time": 1,`, `"time": 1, "time": 1,`),
		"another case":      with(`"time"`, `"Time"`),
		"other spaces":      with(`"time": 1`, `"time":  1`),
		"another number":    with(`"time": 1`, `"time": 1.0`),
		"another version":   with("passphrase 1", "passphrase 2"),
		"another KDF":       with("argon2id", "argon2i"),
		"no wrapped key":    good[:strings.Index(good, ",\n  \"wrapped\"")] + "\n}\n",
		"short salt":        with(`"salt": "00`, `"salt": "`),
		"upper-case hex":    with(`"id": "f`, `"id": "F`),
		"a key file":        string(mustRead(t, "testdata/keyfile.txt")),
		"memory below zero": with(`"memoryKiB": 8`, `"memoryKiB": -8`),
		"too much to count": with(`"memoryKiB": 8`, `"memoryKiB": 99999999999`),
	} {
		asked := false
		_, err := openPassphraseFile("path", []byte(content), func() ([]byte, error) {
			asked = true
			return passphrase, nil
		})
		require.Error(t, err, name)
		refused(t, err, "is not a passphrase file of this version")
		require.False(t, asked, "%s: the passphrase is asked for in vain", name)
	}
}

// TestHostileParams: a file that asks for more than the bounds is refused before
// anything is computed.
func TestHostileParams(t *testing.T) {
	good := mustRead(t, "testdata/passphrase.json")
	for _, p := range hostile {
		var f passFile
		require.NoError(t, json.Unmarshal(good, &f))
		f.Time, f.MemoryKiB, f.Threads = p.Time, p.MemoryKiB, p.Threads
		content, err := f.encode()
		require.NoError(t, err)
		_, err = OpenPassphraseFile(secretFile(t, content), passphrase)
		require.Error(t, err, "%+v", p)
		refused(t, err, "argon2id")
	}
}

var hostile = []Params{
	{0, 64, 1}, {1, 0, 1}, {1, 64, 0},
	{65, 64, 1}, {1<<32 - 1, 8, 1}, {1, 1<<20 + 1, 1}, {1, 1<<32 - 1, 4}, {1, 1 << 20, 65}, {1, 1 << 20, 255},
	{1, 7, 1}, {1, 31, 4}, {5, 1 << 20, 4}, {64, 1<<16 + 1, 1},
}

func TestParams(t *testing.T) {
	full, err := (*Params)(nil).filled()
	require.NoError(t, err)
	// RFC 9106, section 4, second recommended option: 2^16 KiB.
	require.Equal(t, Params{Time: 3, MemoryKiB: 65536, Threads: 4}, full)
	zero, err := new(Params).filled()
	require.NoError(t, err)
	require.Equal(t, full, zero)
	own, err := (&Params{Threads: 2}).filled()
	require.NoError(t, err)
	require.Equal(t, Params{Time: 3, MemoryKiB: 65536, Threads: 2}, own)

	for _, p := range []Params{{1, 8, 1}, {1, 512, 64}, {4, 1 << 20, 4}, {64, 1 << 16, 1}} {
		require.NoError(t, p.check(), "%+v", p)
	}
	path := filepath.Join(t.TempDir(), "kek")
	for _, p := range hostile {
		require.Error(t, p.check(), "%+v", p)
		if p.Time == 0 || p.MemoryKiB == 0 || p.Threads == 0 {
			continue // filled with the default
		}
		var bad *ParamError
		require.ErrorAs(t, CreatePassphraseFile(path, passphrase, &p), &bad)
		require.NoFileExists(t, path)
	}
}

// TestDefaultCost makes and opens one file at what it costs by default.
func TestDefaultCost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, CreatePassphraseFile(path, passphrase, nil))
	require.Contains(t, string(mustRead(t, path)), `"memoryKiB": 65536`)
	k, err := OpenPassphraseFile(path, passphrase)
	require.NoError(t, err)
	require.NoError(t, k.Check(t.Context()))
}

// FuzzPassphraseFile: what is taken keeps the bounds and is canonical.
func FuzzPassphraseFile(f *testing.F) {
	good, err := os.ReadFile("testdata/passphrase.json")
	require.NoError(f, err)
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"time": 1`), []byte(`"time": 64`), 1))
	f.Add([]byte(`{"format":"x"}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		p, reason := parsePassFile(content)
		if reason != "" {
			return
		}
		require.NoError(t, p.params.check())
		var file passFile
		require.NoError(t, json.Unmarshal(content, &file))
		again, err := file.encode()
		require.NoError(t, err)
		require.True(t, bytes.Equal(content, again))
		require.Equal(t, file.Wrapped, fmt.Sprintf("%x", p.wrapped))
	})
}

func asFileError(err error, f **FileError) bool { return errors.As(err, f) }
