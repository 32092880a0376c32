package local

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

type answer struct{ File, ID, DataKey, Wrapped string }

func readAnswers(t *testing.T) (all []answer) {
	data, err := os.ReadFile("testdata/answers.json")
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, &all))
	require.Len(t, all, 2)
	return all
}

// secretCopy copies a file to where its mode can be kept, and gives its path. A
// checkout makes files that all can read.
func secretCopy(t *testing.T, from string) string {
	data, err := os.ReadFile(from)
	require.NoError(t, err)
	return secretFile(t, data)
}

func secretFile(t *testing.T, content []byte) string {
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, os.WriteFile(path, content, 0o600))
	return path
}

func keyIn(t *testing.T, path string) []byte {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	_, text, found := strings.Cut(string(data), "\nkey ")
	require.True(t, found)
	key, err := hex.DecodeString(strings.TrimSpace(text))
	require.NoError(t, err)
	return key
}

func TestCreated(t *testing.T) {
	for name, kind := range kinds {
		path := filepath.Join(t.TempDir(), "kek")
		require.NoError(t, kind.create(path), name)
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, fs.FileMode(0o600), info.Mode(), name)

		// It is never written over.
		before, err := os.ReadFile(path)
		require.NoError(t, err)
		require.ErrorIs(t, kind.create(path), fs.ErrExist, name)
		after, err := os.ReadFile(path)
		require.NoError(t, err)
		require.True(t, bytes.Equal(before, after), name)

		require.ErrorIs(t, kind.create(filepath.Join(t.TempDir(), "missing", "kek")), fs.ErrNotExist, name)
		_, err = kind.open(filepath.Join(t.TempDir(), "missing"))
		require.ErrorIs(t, err, fs.ErrNotExist, name)
	}
}

// A symbolic link to nowhere is a name that exists: nothing is made behind it.
func TestCreateThroughLink(t *testing.T) {
	dir := t.TempDir()
	target, link := filepath.Join(dir, "target"), filepath.Join(dir, "link")
	require.NoError(t, os.Symlink(target, link))
	require.ErrorIs(t, CreateKeyFile(link), fs.ErrExist)
	require.NoFileExists(t, target)
}

func TestOpenToOthers(t *testing.T) {
	for name, kind := range kinds {
		path := filepath.Join(t.TempDir(), "kek")
		require.NoError(t, kind.create(path))
		for bit := range 9 {
			mode := fs.FileMode(0o600 | 1<<bit)
			require.NoError(t, os.Chmod(path, mode))
			_, err := kind.open(path)
			if mode&0o077 == 0 {
				require.NoError(t, err, "%s with mode %o", name, mode)
				continue
			}
			refused(t, err, "chmod 600")
		}
		require.NoError(t, os.Chmod(path, 0o600))
		_, err := kind.open(path)
		require.NoError(t, err, name)
	}
}

func TestNotRegular(t *testing.T) {
	for name, kind := range kinds {
		dir := filepath.Join(t.TempDir(), "dir")
		require.NoError(t, os.Mkdir(dir, 0o700))
		_, err := kind.open(dir)
		refused(t, err, "is not a regular file")
		_, err = kind.open(os.DevNull)
		refused(t, err, "is not a regular file")

		// A link to a good file is as good: mounted secrets are links.
		path, link := filepath.Join(t.TempDir(), "kek"), filepath.Join(t.TempDir(), "link")
		require.NoError(t, kind.create(path))
		require.NoError(t, os.Symlink(path, link))
		_, err = kind.open(link)
		require.NoError(t, err, name)
		require.NoError(t, os.Chmod(path, 0o644))
		_, err = kind.open(link)
		refused(t, err, "chmod 600")
	}
}

func TestTooLong(t *testing.T) {
	for _, n := range []int{maxFile + 1, 1 << 20} {
		_, err := OpenKeyFile(secretFile(t, make([]byte, n)))
		refused(t, err, "too long")
	}
	_, err := OpenKeyFile(secretFile(t, make([]byte, maxFile)))
	refused(t, err, "is not a key file")
}

// TestKeyFileMalformed: one byte more, less or other than CreateKeyFile wrote.
func TestKeyFileMalformed(t *testing.T) {
	good, err := os.ReadFile("testdata/keyfile.txt")
	require.NoError(t, err)
	_, err = OpenKeyFile(secretFile(t, good))
	require.NoError(t, err)
	bad := map[string][]byte{
		"empty":             {},
		"line ends of DOS":  bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")),
		"upper case":        bytes.ToUpper(good),
		"another version":   bytes.Replace(good, []byte("key 1"), []byte("key 2"), 1),
		"no last line end":  good[:len(good)-1],
		"a line more":       append(bytes.Clone(good), '\n'),
		"a byte order mark": append([]byte("\xef\xbb\xbf"), good...),
		"a passphrase file": mustRead(t, "testdata/passphrase.json"),
	}
	for at := range good {
		if hexDigit(good[at]) && at > len(keyFileHead)+2 {
			continue // another key is as good a key
		}
		altered := bytes.Clone(good)
		altered[at] ^= 1
		bad[fmt.Sprintf("byte %d altered", at)] = altered
	}
	for at := len(keyFileHead) + 3; at < len(good); at++ {
		if hexDigit(good[at]) {
			altered := bytes.Clone(good)
			altered[at] = 'g'
			bad[fmt.Sprintf("byte %d is no hex", at)] = altered
		}
	}
	for name, content := range bad {
		_, key, ok := parseKeyFile(content)
		require.False(t, ok, name)
		require.True(t, key == [keySize]byte{}, "%s: a key is given beside the refusal", name)
		_, err := OpenKeyFile(secretFile(t, content))
		require.Error(t, err, name)
		refused(t, err, "is not a key file of this version")
		require.NotContains(t, err.Error(), string(good[len(good)-9:len(good)-1]), name)
	}
}

func hexDigit(c byte) bool { return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' }

func mustRead(t *testing.T, path string) []byte {
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func refused(t *testing.T, err error, reason string) {
	t.Helper()
	var f *FileError
	require.ErrorAs(t, err, &f)
	require.Contains(t, f.Reason, reason)
	require.Contains(t, err.Error(), f.Path)
}

// FuzzKeyFile: what is taken is what formatting it gives again.
func FuzzKeyFile(f *testing.F) {
	good, err := os.ReadFile("testdata/keyfile.txt")
	require.NoError(f, err)
	f.Add(good)
	f.Add(good[:20])
	f.Fuzz(func(t *testing.T, content []byte) {
		id, key, ok := parseKeyFile(content)
		if ok {
			require.True(t, bytes.Equal(content, formatKeyFile(id, &key)))
			return
		}
		require.True(t, key == [keySize]byte{}, "a key is given beside the refusal")
	})
}
