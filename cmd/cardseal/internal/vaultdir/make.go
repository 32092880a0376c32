package vaultdir

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
)

// ErrExists is a folder that holds a vault already.
var ErrExists = errors.New("the folder already holds a vault")

// MakeOptions says what a new vault is made of. The zero value makes a key file
// and the embedded store.
type MakeOptions struct {
	KEK   string // local:///path or passphrase:[///path]; default a new key file
	Store string // bolt:///path; default vault.bolt in the folder
	// Passphrase is asked once for a new passphrase file.
	Passphrase func() ([]byte, error)
	// Params is the cost of a new passphrase file; nil for the default.
	Params *local.Params
}

// Made says where the parts of a new vault are.
type Made struct{ Dir, Key, Store string }

// Make makes a vault in a folder, which is made where it is missing.
func Make(ctx context.Context, dir string, o *MakeOptions) (Made, error) {
	made := Made{Dir: dir}
	if err := checkMake(dir, o, &made); err != nil {
		return made, err
	}
	if _, err := os.Lstat(filepath.Join(dir, SettingsFile)); err == nil {
		return made, ErrExists
	} else if !errors.Is(err, fs.ErrNotExist) {
		return made, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return made, err
	}
	if err := makeStore(ctx, made.Store); err != nil {
		return made, err
	}
	if err := makeKey(dir, o, &made); err != nil {
		return made, err
	}
	uri, err := local.URI(made.Key)
	if err != nil {
		return made, err
	}
	s := Settings{Version: settingsVersion, KEK: uri, Store: o.Store}
	if s.Store == "" {
		s.Store = "bolt:" + StoreFile
	}
	return made, writeSettings(dir, s)
}

// checkMake refuses what cannot be made before anything is.
func checkMake(dir string, o *MakeOptions, made *Made) (err error) {
	store := o.Store
	if store == "" {
		store = "bolt:" + StoreFile
	}
	if made.Store, err = storePath(dir, store); err != nil {
		return err
	}
	kek := o.KEK
	if rest, ok := strings.CutPrefix(kek, passphraseScheme); ok && rest != "" {
		kek = "local:" + rest
	} else if ok {
		kek = ""
	}
	if kek != "" {
		made.Key, err = kekPath(kek)
	}
	return err
}

const passphraseScheme = "passphrase:"

// makeStore makes the store's file. One that is there already may come from an
// interrupted Make, and is taken if nothing was ever put into it.
func makeStore(ctx context.Context, path string) error {
	db, err := bolt.Open(ctx, path, &bolt.Options{Create: true})
	if err != nil {
		return err
	}
	defer db.Close()
	repositories, err := db.Cards().Repositories(ctx)
	if err != nil {
		return err
	}
	if len(repositories) > 0 {
		return ErrExists
	}
	return db.Close()
}

// makeKey makes the key's file, or leaves one alone that the caller named and
// that is there.
func makeKey(dir string, o *MakeOptions, made *Made) (err error) {
	if made.Key == "" {
		if made.Key, err = newKeyPath(dir); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(made.Key); err == nil {
		return checkKey(made.Key, o.Passphrase)
	}
	if err := os.MkdirAll(filepath.Dir(made.Key), 0o700); err != nil {
		return err
	}
	if !strings.HasPrefix(o.KEK, passphraseScheme) {
		return local.CreateKeyFile(made.Key)
	}
	phrase, err := o.Passphrase()
	if err != nil {
		return err
	}
	defer clear(phrase)
	return local.CreatePassphraseFile(made.Key, phrase, o.Params)
}

func checkKey(path string, passphrase func() ([]byte, error)) error {
	uri, err := local.URI(path)
	if err != nil {
		return err
	}
	k, err := local.Open(uri, passphrase)
	if err != nil {
		return err
	}
	return k.Close()
}

// writeSettings writes the settings aside and renames them, so that a folder has
// whole settings or none.
func writeSettings(dir string, s Settings) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, SettingsFile)
	f, err := os.CreateTemp(dir, SettingsFile+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // not there any more if all went well
	_, err = f.Write(append(content, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return err
	}
	return SyncDir(dir)
}

// SyncDir makes a folder's names durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
