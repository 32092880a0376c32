package local

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpen(t *testing.T) {
	for _, name := range []string{"kek", "with space", "per%20cent", "question?", "hash#", "ünïcode", "a:b", "plus+"} {
		dir := t.TempDir()
		keyFile, passFile := filepath.Join(dir, name), filepath.Join(dir, name+".json")
		require.NoError(t, CreateKeyFile(keyFile))
		require.NoError(t, CreatePassphraseFile(passFile, passphrase, cheap))
		ids := map[string]bool{}
		for _, path := range []string{keyFile, passFile} {
			uri, err := URI(path)
			require.NoError(t, err)
			k, err := Open(uri, func() ([]byte, error) { return bytes.Clone(passphrase), nil })
			require.NoError(t, err, uri)
			ids[k.ID()] = true
		}
		require.Len(t, ids, 2)
	}
}

func TestURI(t *testing.T) {
	uri, err := URI("/etc/a key")
	require.NoError(t, err)
	require.Equal(t, "local:///etc/a%20key", uri)
	t.Chdir(t.TempDir())
	require.NoError(t, CreateKeyFile("kek"))
	uri, err = URI("kek")
	require.NoError(t, err)
	_, err = Open(uri, nil)
	require.NoError(t, err)
}

func TestOpenAsks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, CreatePassphraseFile(path, passphrase, cheap))
	uri, err := URI(path)
	require.NoError(t, err)

	_, err = Open(uri, nil)
	require.ErrorIs(t, err, ErrNoPassphrase)

	refusal := errors.New("no terminal")
	_, err = Open(uri, func() ([]byte, error) { return nil, refusal })
	require.ErrorIs(t, err, refusal)

	// What was asked for is wiped, whether it fits or not.
	for _, given := range []string{string(passphrase), "another phrase"} {
		asked := []byte(given)
		_, err = Open(uri, func() ([]byte, error) { return asked, nil })
		require.Equal(t, given != string(passphrase), errors.Is(err, ErrPassphrase))
		require.Equal(t, make([]byte, len(given)), asked)
	}

	// A key file needs none.
	require.NoError(t, os.Remove(path))
	require.NoError(t, CreateKeyFile(path))
	_, err = Open(uri, func() ([]byte, error) { return nil, refusal })
	require.NoError(t, err)
}

func TestOpenRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, CreateKeyFile(path))
	for _, uri := range []string{
		"", path, "local:", "local:" + path, "local://", "local:///", "local://host" + path, "local://user@" + path,
		"file://" + path, "local://" + path + "?", "local://" + path + "?a=b", "local://" + path + "#", "local://" + path + "#a",
		"local://" + path + "%zz", "awskms://" + path, "local://%00" + path,
	} {
		_, err := Open(uri, nil)
		var p *ParamError
		require.ErrorAs(t, err, &p, uri)
		require.Equal(t, "URI", p.Field)
	}
	_, err := Open("local://"+path+".missing", nil)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open("local://"+secretFile(t, []byte("{}")), func() ([]byte, error) { return nil, nil })
	refused(t, err, "is not a passphrase file")
	_, err = Open("local://"+secretFile(t, []byte("a key")), nil)
	refused(t, err, "is not a key file")
}
