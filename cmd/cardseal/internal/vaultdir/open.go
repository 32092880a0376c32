package vaultdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"time"

	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// ErrMissing is a folder without a vault.
var ErrMissing = errors.New("there is no vault in the folder")

// OpenKEK opens a KEK by its URI.
type OpenKEK func(ctx context.Context, uri string) (open.KEK, error)

// Environment is the one that the data keys of this program's vaults are in.
const Environment = "production"

// OpenOptions tunes [Open].
type OpenOptions struct {
	// OpenKEK opens the vault's KEKs; nil takes what the environment offers.
	OpenKEK OpenKEK
	// Away is told of a KEK that could not be opened and without which the vault's
	// others serve.
	Away func(uri string, err error)
	// Warn is told what the user should know, a line at a time.
	Warn func(line string)
}

// Vault is an open vault. Close it.
type Vault struct {
	Dir      string
	Settings Settings
	Vault    *tokenize.Vault
	Keys     *keys.Manager
	Audit    *audit.File
	Lacks    bool // a KEK that should wrap could not be opened

	db       DB
	keks     []open.KEK // those that are open
	wrapping []keys.KEK // of these, that wrap
	under    underReplicated
	warn     func(line string)
	codes    []Place       // Found.Codes
	codesTTL time.Duration // Found.CodesTTL
	// Of security codes that are to be forgotten, nil before they are asked for.
	ephemeral []*Ephemeral
	transient *code.Transient
}

// Found says what the vault in a folder is made of.
type Found struct {
	dir      string
	Settings Settings
	KEKs     []KEK // those that wrap first
	Store    Place
	Codes    []Place       // none, one, or two over which keys are split
	CodesTTL time.Duration // 0 where they do not say
}

// Find reads the settings of the vault in a folder. The error is [ErrMissing]
// where there is none.
func Find(dir string) (f Found, err error) {
	f.dir = dir
	f.Settings, err = readSettings(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return f, ErrMissing
	}
	if err != nil {
		return f, err
	}
	switch f.KEKs, err = f.Settings.keks(); {
	case errors.Is(err, ErrTwice):
		return f, f.wrong(twice)
	case errors.Is(err, ErrQuorum):
		return f, f.wrong(quorum)
	case err != nil:
		return f, err
	}
	if f.Store, err = ParseStore(dir, f.Settings.Store); err == nil {
		f.Codes, err = ParseCodes(f.Settings.Codes, f.Settings.CodesSecond)
	}
	if errors.Is(err, ErrSecond) {
		err = f.wrong(`has a "codesSecond" that goes with no "codes", or is the same`)
	}
	if ttl := f.Settings.CodesTTL; err == nil && ttl != "" {
		if f.CodesTTL, err = time.ParseDuration(ttl); err != nil || !IsCodesTTL(f.CodesTTL) {
			err = f.wrong(`has a "codesTTL" that is no time from 1s to 24h`)
		}
	}
	if err == nil && !areCodeLimits(f.Settings.CodesTries, f.Settings.CodesGuesses) {
		err = &SettingsError{filepath.Join(dir, SettingsFile), `has "codesTries" that are not 1 to 10, or "codesGuesses" that are not 1 to 100`}
	}
	return f, err
}

// wrong says what is wrong with the settings.
func (f *Found) wrong(reason string) error {
	return &SettingsError{filepath.Join(f.dir, SettingsFile), reason}
}

func (f OpenKEK) orDefault() OpenKEK {
	if f != nil {
		return f
	}
	return func(ctx context.Context, uri string) (open.KEK, error) { return open.URI(ctx, uri, nil) }
}

// Open opens the vault in a folder.
func Open(ctx context.Context, dir string, o *OpenOptions) (_ *Vault, err error) {
	found, err := Find(dir)
	if err != nil {
		return nil, err
	}
	v := &Vault{Dir: dir, Settings: found.Settings, codes: found.Codes, codesTTL: found.CodesTTL, warn: o.Warn}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	// The store before the keys: a passphrase is not asked for in vain while
	// another process holds the store.
	if v.db, err = found.Store.Open(ctx, nil); err != nil {
		return nil, err
	}
	if err = v.openKEKs(ctx, &found, o); err != nil {
		return nil, err
	}
	if v.Audit, err = OpenAuditLog(dir, v.Keys); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	v.Vault, err = tokenize.Open(ctx, v.db.Cards(), v.Keys, &tokenize.Options{
		AllowDevelopmentKEK: true, Audit: v.Audit, CaptureKeys: v.db.CaptureKeys(), IssuerCodes: v.db.Codes(),
	})
	return v, err
}

// Cards is the card store.
func (v *Vault) Cards() store.Cards { return v.db.Cards() }

// Close wipes the keys in memory and sets the store free.
func (v *Vault) Close() error {
	if n := v.under.n.Swap(0); n > 0 && v.warn != nil {
		v.warn(fmt.Sprintf("new data keys that not all of the vault's keys have wrapped: %d; cardseal keys rewrap completes them", n))
	}
	var errs []error
	if v.transient != nil {
		errs = append(errs, v.transient.Close())
	}
	for _, e := range v.ephemeral {
		errs = append(errs, e.Close())
	}
	if v.Keys != nil {
		errs = append(errs, v.Keys.Close())
	}
	for _, k := range v.keks {
		errs = append(errs, k.Close())
	}
	if v.db != nil {
		errs = append(errs, v.db.Close())
	}
	if v.Audit != nil {
		errs = append(errs, v.Audit.Close())
	}
	return errors.Join(errs...)
}

// Record writes an event of the program itself into the audit log.
func (v *Vault) Record(ctx context.Context, e audit.Event) error {
	e.Time = time.Now().UTC()
	if err := v.Audit.Record(ctx, []audit.Event{e}); err != nil {
		return fmt.Errorf("%w: %w", tokenize.ErrAudit, err)
	}
	return v.Audit.Sync()
}
