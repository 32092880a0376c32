package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
)

func TestInit(t *testing.T) {
	w := newWorld(t)
	r := w.ok("init", "--dir", w.path("vault"))
	require.Contains(t, r.err, "development only")
	require.Contains(t, r.out, w.path("vault/vault.bolt"))

	r = w.run("init", "--dir", w.path("vault"))
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "already holds a vault")

	// A second vault of the same name has a key of its own.
	w.ok("init", "--dir", w.path("other/vault"))
	keys := filepath.Join(w.home, "config", "cardseal", "keys")
	require.True(t, exists(filepath.Join(keys, "vault.key")) && exists(filepath.Join(keys, "vault-2.key")))

	// CARDSEAL_DIR names a folder as --dir does.
	t.Setenv("CARDSEAL_DIR", w.path("vault"))
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("out.csv"))
	require.False(t, exists(w.vaultDir()))
}

func TestInitWithOptions(t *testing.T) {
	w := newWorld(t)
	key, store := w.path("k/my.key"), w.path("my.bolt")
	w.ok("init", "--dir", w.path("vault"), "--kek", "local://"+key, "--store", "bolt://"+store)
	require.True(t, exists(key) && exists(store))
	require.False(t, exists(w.path("vault/vault.bolt")))
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("out.csv"), "--dir", w.path("vault"))

	// The same key for another vault: it is there already and left alone.
	before := w.read("k/my.key")
	w.ok("init", "--dir", w.path("vault2"), "--kek", "local://"+key)
	require.Equal(t, before, w.read("k/my.key"))

	for _, c := range []struct{ flag, value, says string }{
		{"--store", "mysql://host/db", `store of kind "mysql" is not supported by this build`},
		{"--store", "bolt", "not an address"},
		{"--store", "bolt://host/path", "not an address"},
		{"--kek", "awskms:///alias/x", `KEK of kind "awskms" is not supported by this build`},
		{"--kek", "local:key", "not an address"},
	} {
		r := w.run("init", "--dir", w.path("none"), c.flag, c.value)
		require.Equal(t, ExitUsage, r.code, r.err)
		require.Contains(t, r.err, c.says)
	}
	require.False(t, exists(w.path("none")), "made for nothing")
}

// What a killed init left behind is taken up.
func TestInitGoesOn(t *testing.T) {
	w := newWorld(t)
	require.NoError(t, os.Mkdir(w.path("vault"), 0o700))
	db, err := bolt.Open(context.Background(), w.path("vault/vault.bolt"), &bolt.Options{Create: true})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	w.ok("init", "--dir", w.path("vault"))

	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("out.csv"), "--dir", w.path("vault"))
	require.NoError(t, os.Remove(w.path("vault/settings.json")))
	r := w.run("init", "--dir", w.path("vault"))
	require.Equal(t, ExitFailed, r.code, "a store with cards in it is no leftover")
	require.Contains(t, r.err, "already holds a vault")
}

func TestPassphrase(t *testing.T) {
	w := newWorld(t)
	right, wrong := w.write("right", "correct horse\nsecond line\n"), w.write("wrong", "battery staple")
	key := w.path("pass.key")
	require.NoError(t, local.CreatePassphraseFile(key, []byte("correct horse"), &local.Params{Time: 1, MemoryKiB: 64, Threads: 1}))
	w.ok("init", "--kek", "local://"+key, "--passphrase-file", right)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("a.csv"), "--passphrase-file", right)
	t.Setenv("CARDSEAL_PASSPHRASE_FILE", right)
	w.ok("tokenize", "--in", in, "--out", w.path("b.csv"))

	r := w.run("tokenize", "--in", in, "--out", w.path("c.csv"), "--passphrase-file", wrong)
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "the passphrase is wrong")
	r = w.run("tokenize", "--in", in, "--out", w.path("c.csv"), "--passphrase-file", w.path("none"))
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "no such file")
	r = w.run("tokenize", "--in", in, "--out", w.path("c.csv"), "--passphrase-file", w.write("blank", "\n"))
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "no passphrase")
	require.False(t, exists(w.path("c.csv")) || exists(w.path("c.csv.part")))
	require.NotContains(t, r.err+files(t, w.home), "correct horse")
}

// The default cost of a passphrase file is real: one vault is made with it.
func TestInitPassphrase(t *testing.T) {
	w := newWorld(t)
	t.Setenv("CARDSEAL_PASSPHRASE_FILE", w.write("phrase", "correct horse"))
	w.ok("init", "--passphrase")
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("a.csv"))
	t.Setenv("CARDSEAL_PASSPHRASE_FILE", w.write("short", "short"))
	r := w.run("init", "--passphrase", "--dir", w.path("other"))
	require.Equal(t, ExitUsage, r.code, r.err)
	r = w.run("init", "--passphrase", "--kek", "local:///x", "--dir", w.path("other"))
	require.Equal(t, ExitUsage, r.code, r.err)
}

// Every state of a vault that keeps it from being opened.
func TestVaultsThatDoNotOpen(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, w *world, dir string)
		says   string
	}{
		{"unknown setting", settings(`{"version":1,"kek":"local:///k","store":"bolt:vault.bolt","colour":"red"}`), `unknown name "colour"`},
		{"newer settings", settings(`{"version":2,"new":"thing"}`), "written by a newer version"},
		{"settings of no version", settings(`{}`), "no version that this program knows"},
		{"settings that are no JSON", settings(`version=1`), "is not a settings file"},
		{"text after the settings", settings(`{"version":1,"kek":"local:///k","store":"bolt:vault.bolt"} x`), "text after the settings"},
		{"store of another build", settings(`{"version":1,"kek":"local:///k","store":"mysql://h/d"}`), "not supported by this build"},
		{"key that others may read", func(t *testing.T, w *world, _ string) {
			require.NoError(t, os.Chmod(filepath.Join(w.home, "config/cardseal/keys/default.key"), 0o644))
		}, "default.key"},
		{"key gone", func(t *testing.T, w *world, _ string) {
			require.NoError(t, os.Remove(filepath.Join(w.home, "config/cardseal/keys/default.key")))
		}, "default.key: no such file"},
		{"store gone", func(t *testing.T, _ *world, dir string) {
			require.NoError(t, os.Remove(filepath.Join(dir, "vault.bolt")))
		}, "vault.bolt"},
		{"store damaged", func(t *testing.T, _ *world, dir string) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "vault.bolt"), []byte(strings.Repeat("nonsense", 4000)), 0o600))
		}, "the store is damaged"},
		{"store in use", func(t *testing.T, _ *world, dir string) {
			db, err := bolt.Open(context.Background(), filepath.Join(dir, "vault.bolt"), nil)
			require.NoError(t, err)
			t.Cleanup(func() { _ = db.Close() })
		}, "the store is in use"},
		{"newer store", newerStore, "written by a newer version of cardseal"},
		{"another vault's key", func(t *testing.T, w *world, _ string) {
			key := filepath.Join(w.home, "config/cardseal/keys/default.key")
			require.NoError(t, os.Remove(key))
			require.NoError(t, local.CreateKeyFile(key))
		}, "wrapped by another key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			in := w.write("in.csv", number+"\n")
			w.ok("tokenize", "--in", in, "--out", w.path("first.csv"))
			c.damage(t, w, w.vaultDir())
			r := w.run("tokenize", "--in", in, "--out", w.path("out.csv"))
			want := ExitFailed
			if strings.Contains(c.says, "not supported") {
				want = ExitUsage
			}
			require.Equal(t, want, r.code, r.err)
			require.Contains(t, r.err, c.says)
			require.False(t, exists(w.path("out.csv")) || exists(w.path("out.csv.part")))
		})
	}
}

func settings(content string) func(*testing.T, *world, string) {
	return func(t *testing.T, _ *world, dir string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "settings.json"), []byte(content), 0o600))
	}
}

// newerStore raises the format version in the store's meta bucket.
func newerStore(t *testing.T, _ *world, dir string) {
	db, err := bbolt.Open(filepath.Join(dir, "vault.bolt"), 0o600, nil)
	require.NoError(t, err)
	require.NoError(t, db.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket([]byte("meta"))
		require.NotNil(t, b)
		key, value := b.Cursor().First()
		require.NotNil(t, key)
		value = append([]byte(nil), value...)
		value[len(value)-1]++
		return b.Put(key, value)
	}))
	require.NoError(t, db.Close())
}

// A vault moved to another place still finds its store.
func TestMovedFolder(t *testing.T) {
	w := newWorld(t)
	w.ok("init", "--dir", w.path("vault"))
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("a.csv"), "--dir", w.path("vault"))
	require.NoError(t, os.Rename(w.path("vault"), w.path("moved")))
	w.ok("tokenize", "--in", in, "--out", w.path("b.csv"), "--dir", w.path("moved"))
	require.Equal(t, w.read("a.csv"), w.read("b.csv"))
}
