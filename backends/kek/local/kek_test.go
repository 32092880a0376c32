package local

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
)

var (
	_ keys.KEK         = (*KEK)(nil)
	_ keys.Checker     = (*KEK)(nil)
	_ keys.Development = (*KEK)(nil)
)

// cheap is argon2id at next to no cost.
var cheap = &Params{Time: 1, MemoryKiB: 8, Threads: 1}

var passphrase = []byte("a phrase for tests")

// kinds makes and opens both kinds of file.
var kinds = map[string]struct {
	create func(path string) error
	open   func(path string) (*KEK, error)
}{
	"key file": {CreateKeyFile, OpenKeyFile},
	"passphrase file": {
		func(path string) error { return CreatePassphraseFile(path, passphrase, cheap) },
		func(path string) (*KEK, error) { return OpenPassphraseFile(path, passphrase) },
	},
}

func TestConformance(t *testing.T) {
	for name, kind := range kinds {
		t.Run(name, func(t *testing.T) {
			paths := map[string]string{}
			keystest.RunKEK(t, func(t *testing.T) keys.KEK {
				path := filepath.Join(t.TempDir(), "kek")
				require.NoError(t, kind.create(path))
				k, err := kind.open(path)
				require.NoError(t, err)
				paths[k.ID()] = path
				return k
			}, &keystest.KEKOptions{Reopen: func(t *testing.T, k keys.KEK) keys.KEK {
				again, err := kind.open(paths[k.ID()])
				require.NoError(t, err)
				return again
			}})
		})
	}
}

func TestClosed(t *testing.T) {
	k := testKEK(t)
	id := k.ID()
	require.NoError(t, k.Close())
	require.NoError(t, k.Close())
	keystest.RunKEKClosed(t, k)
	require.Equal(t, id, k.ID())
	require.ErrorIs(t, k.Check(t.Context()), ErrClosed)
	require.NotErrorIs(t, ErrClosed, keys.ErrUnavailable)
	require.EqualError(t, ErrClosed, "local: KEK is closed")
}

// TestKnownAnswer pins the formats: what this version wrote every later one
// reads.
func TestKnownAnswer(t *testing.T) {
	b := keys.Binding{
		Environment: "test", Scope: "shop", Purpose: keys.PAN,
		KeyID: keys.KeyID{15: 7}, Created: time.Unix(1_700_000_000, 0),
	}
	for _, v := range readAnswers(t) {
		k, err := Open("local://"+secretCopy(t, "testdata/"+v.File), func() ([]byte, error) {
			return bytes.Clone(passphrase), nil
		})
		require.NoError(t, err, v.File)
		require.Equal(t, v.ID, k.ID())
		wrapped, err := hex.DecodeString(v.Wrapped)
		require.NoError(t, err)
		key, err := k.Unwrap(t.Context(), nil, wrapped, b)
		require.NoError(t, err, v.File)
		require.Equal(t, v.DataKey, hex.EncodeToString(key))
	}
}

func TestWrappedForm(t *testing.T) {
	k := testKEK(t)
	wrapped, err := k.Wrap(t.Context(), nil, make([]byte, 32), keys.Binding{})
	require.NoError(t, err)
	require.Len(t, wrapped, 61)
	require.EqualValues(t, 1, wrapped[0])
	// A later version is refused whatever follows.
	wrapped[0] = 2
	_, err = k.Unwrap(t.Context(), nil, wrapped, keys.Binding{})
	require.ErrorIs(t, err, keys.ErrCorrupt)
}

func TestID(t *testing.T) {
	seen := map[string]bool{}
	for range 8 {
		id := testKEK(t).ID()
		require.Regexp(t, `^local:[0-9a-f]{32}$`, id)
		require.False(t, seen[id])
		seen[id] = true
	}
}

func TestDevelopment(t *testing.T) {
	for name, kind := range kinds {
		path := filepath.Join(t.TempDir(), "kek")
		require.NoError(t, kind.create(path), name)
		k, err := kind.open(path)
		require.NoError(t, err, name)
		require.Contains(t, k.Development(), "PCI DSS 3.6.1.2", name)
	}
}

func TestPrintsNoKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, CreateKeyFile(path))
	k, err := OpenKeyFile(path)
	require.NoError(t, err)
	key := keyIn(t, path)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%x", "%X", "%q"} {
		for _, v := range []any{k, struct{ k *KEK }{k}, []*KEK{k}} {
			text := strings.ReplaceAll(fmt.Sprintf(verb, v), k.ID(), "") // which is as random
			for at := 0; at < len(key); at += 4 {
				require.NotContains(t, text, hex.EncodeToString(key[at:at+4]), verb)
				require.NotContains(t, text, fmt.Sprint(key[at : at+4])[1:8], verb)
			}
		}
	}
	require.Equal(t, k.ID(), fmt.Sprint(k))
	require.Equal(t, k.ID(), fmt.Sprintf("%#v", k))
}

func testKEK(t *testing.T) *KEK {
	path := filepath.Join(t.TempDir(), "kek")
	require.NoError(t, CreateKeyFile(path))
	k, err := OpenKeyFile(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, k.Close()) })
	return k
}
