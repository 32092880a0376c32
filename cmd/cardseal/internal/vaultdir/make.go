package vaultdir

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/keys"
)

// ErrExists is a folder that holds a vault already.
var ErrExists = errors.New("the folder already holds a vault")

// MakeOptions says what a new vault is made of. The zero value makes a key file
// and the embedded store.
type MakeOptions struct {
	// KEK is the URI of a key in a KMS, local:///path, or passphrase:[///path];
	// default a new key file.
	KEK   string
	Store string // bolt:///path or postgres://host/database; default vault.bolt in the folder
	// Codes is a database for security codes that are to be forgotten, see
	// [Settings].Codes; default none.
	Codes       string
	CodesSecond string        // see [Settings].CodesSecond; default none
	CodesTTL    time.Duration // see [Settings].CodesTTL; default 15 minutes
	// Passphrase is asked once for a new passphrase file.
	Passphrase func() ([]byte, error)
	// OpenKEK opens a key in a KMS, which is tried before anything is made; nil
	// takes what the environment offers.
	OpenKEK OpenKEK
	// Params is the cost of a new passphrase file; nil for the default.
	Params *local.Params
}

// Made says where the parts of a new vault are.
type Made struct {
	Dir     string
	Store   Place
	KeyFile string // path of a local key; "" for a key in a KMS
	KEK     string // then its ID
}

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
	if inKMS(o.KEK) {
		id, err := tryKMS(ctx, o)
		if err != nil {
			return made, err
		}
		made.KEK = id
	}
	if err := tryCodes(ctx, o); err != nil {
		return made, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return made, err
	}
	if err := makeStore(ctx, made.Store, o.KEK != ""); err != nil {
		return made, err
	}
	s := Settings{Version: settingsVersion, KEK: o.KEK, Store: o.Store, Codes: o.Codes, CodesSecond: o.CodesSecond}
	if o.CodesTTL != 0 {
		s.CodesTTL = o.CodesTTL.String()
	}
	if !inKMS(o.KEK) {
		err := makeKey(dir, o, &made)
		if err == nil {
			s.KEK, err = local.URI(made.KeyFile)
		}
		if err != nil {
			return made, err
		}
	}
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
	if made.Store, err = ParseStore(dir, store); err != nil {
		return err
	}
	if _, err := ParseCodes(o.Codes, o.CodesSecond); err != nil {
		return err
	}
	kek := o.KEK
	if rest, ok := strings.CutPrefix(kek, passphraseScheme); ok && rest != "" {
		kek = "local:" + rest
	} else if ok {
		kek = ""
	}
	if kek != "" {
		made.KeyFile, err = keyFile(kek)
	}
	return err
}

// inKMS reports the URI of a key that is not made here.
func inKMS(uri string) bool {
	path, err := keyFile(uri)
	return err == nil && path == ""
}

// tryKMS opens a key in a KMS and has it wrap and unwrap: a vault whose key does
// not serve would be of no use.
func tryKMS(ctx context.Context, o *MakeOptions) (id string, err error) {
	k, err := o.OpenKEK.orDefault()(ctx, o.KEK)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	if c, ok := k.(keys.Checker); ok {
		return k.ID(), c.Check(ctx)
	}
	return k.ID(), nil
}

// tryCodes opens the databases for security codes: one that has no tables, or would keep
// the codes, is of no use.
func tryCodes(ctx context.Context, o *MakeOptions) error {
	places, err := ParseCodes(o.Codes, o.CodesSecond)
	if err != nil {
		return err
	}
	for _, p := range places {
		db, err := p.OpenEphemeral(ctx)
		if err != nil {
			return err
		}
		if err := db.Close(); err != nil {
			return err
		}
	}
	return Apart(ctx, places)
}

const passphraseScheme = "passphrase:"

// ErrInUse is a database that another vault has put something into, whose key a new
// one would not be.
var ErrInUse = errors.New("the database holds a vault already, under another key")

// makeStore makes the store's file, or looks whether a database has the tables. A
// file that is there already may come from an interrupted Make, and is taken if
// nothing was ever put into it. A database is there for many, who name its key.
func makeStore(ctx context.Context, place Place, keyNamed bool) error {
	db, err := place.Open(ctx, &bolt.Options{Create: true})
	if err != nil {
		return err
	}
	defer db.Close()
	repositories, err := db.Cards().Repositories(ctx)
	if err != nil {
		return err
	}
	switch {
	case len(repositories) == 0:
	case place.Pool == nil:
		return ErrExists
	case !keyNamed:
		return ErrInUse
	}
	return db.Close()
}

// makeKey makes the key's file, or leaves one alone that the caller named and
// that is there.
func makeKey(dir string, o *MakeOptions, made *Made) (err error) {
	if made.KeyFile == "" {
		if made.KeyFile, err = newKeyPath(dir); err != nil {
			return err
		}
	}
	if _, err := os.Lstat(made.KeyFile); err == nil {
		return checkKey(made.KeyFile, o.Passphrase)
	}
	if err := os.MkdirAll(filepath.Dir(made.KeyFile), 0o700); err != nil {
		return err
	}
	if !strings.HasPrefix(o.KEK, passphraseScheme) {
		return local.CreateKeyFile(made.KeyFile)
	}
	phrase, err := o.Passphrase()
	if err != nil {
		return err
	}
	defer clear(phrase)
	return local.CreatePassphraseFile(made.KeyFile, phrase, o.Params)
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
