package vaultdir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// ErrMissing is a folder without a vault.
var ErrMissing = errors.New("there is no vault in the folder")

// OpenOptions tunes [Open].
type OpenOptions struct {
	Passphrase func() ([]byte, error) // asked once where the key needs one
	// Warn is told what the user should know, a line at a time.
	Warn func(line string)
}

// Vault is an open vault. Close it.
type Vault struct {
	Dir      string
	Settings Settings
	Vault    *tokenize.Vault
	Keys     *keys.Manager
	Audit    *AuditLog

	db  *bolt.DB
	kek *local.KEK
}

// Find reads the settings of the vault in a folder and says where its key and
// store are. The error is [ErrMissing] where there is none.
func Find(dir string) (s Settings, key, store string, err error) {
	s, err = readSettings(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return s, "", "", ErrMissing
	}
	if err != nil {
		return s, "", "", err
	}
	if key, err = kekPath(s.KEK); err != nil {
		return s, "", "", err
	}
	store, err = storePath(dir, s.Store)
	return s, key, store, err
}

// Open opens the vault in a folder.
func Open(ctx context.Context, dir string, o *OpenOptions) (_ *Vault, err error) {
	s, key, path, err := Find(dir)
	if err != nil {
		return nil, err
	}
	v := &Vault{Dir: dir, Settings: s}
	defer func() {
		if err != nil {
			v.Close()
		}
	}()
	uri, err := local.URI(key)
	if err != nil {
		return nil, err
	}
	// The store before the key: a passphrase is not asked for in vain while
	// another process holds the store.
	if v.db, err = bolt.Open(ctx, path, nil); err != nil {
		return nil, err
	}
	if v.kek, err = local.Open(uri, o.Passphrase); err != nil {
		return nil, err
	}
	var kek keys.KEK = v.kek
	if d, ok := kek.(keys.Development); ok && o.Warn != nil {
		o.Warn("development only: " + d.Development())
	}
	if v.Keys, err = keys.Open(ctx, v.db.Keys(), v.kek, nil); err != nil {
		return nil, err
	}
	if v.Audit, err = OpenAuditLog(dir); err != nil {
		return nil, fmt.Errorf("audit log: %w", err)
	}
	v.Vault, err = tokenize.Open(ctx, v.db.Cards(), v.Keys, &tokenize.Options{AllowDevelopmentKEK: true, Audit: v.Audit})
	return v, err
}

// Close wipes the keys in memory and sets the store free.
func (v *Vault) Close() error {
	var errs []error
	if v.Keys != nil {
		errs = append(errs, v.Keys.Close())
	}
	if v.kek != nil {
		errs = append(errs, v.kek.Close())
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
