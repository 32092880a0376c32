package vaultdir

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
)

// ErrExists is a folder that holds a vault already.
var ErrExists = errors.New("the folder already holds a vault")

// MakeOptions says what a new vault is made of. The zero value makes a key file
// and the embedded store.
type MakeOptions struct {
	// KEKs are URIs of keys in a KMS, local:///path, or passphrase:[///path]; default
	// one new key file. Each of several wraps every data key.
	KEKs   []string
	Quorum int    // see [Settings].Quorum; default all
	Store  string // bolt:///path or postgres://host/database; default vault.bolt in the folder
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
	Dir   string
	Store Place
	KEKs  []MadeKEK
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
	if err := tryKMSs(ctx, o, made.KEKs); err != nil {
		return made, err
	}
	if err := tryCodes(ctx, o); err != nil {
		return made, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return made, err
	}
	named := len(o.KEKs) > 0 && o.KEKs[0] != ""
	if err := makeStore(ctx, made.Store, named); err != nil {
		return made, err
	}
	uris, err := makeKeys(dir, o, made.KEKs)
	if err != nil {
		return made, err
	}
	s := Settings{
		Version: settingsVersion, KEK: uris[0], FurtherKEKs: uris[1:], Quorum: o.Quorum,
		Store: o.Store, Codes: o.Codes, CodesSecond: o.CodesSecond,
	}
	if o.CodesTTL != 0 {
		s.CodesTTL = o.CodesTTL.String()
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
	return checkKeys(o, made)
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
