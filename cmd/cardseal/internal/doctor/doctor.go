// Package doctor looks a vault's folder over and says what it finds in plain
// words. It reads only, and asks for no passphrase; keys in a KMS are tried.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// Grade is how bad a finding is.
type Grade string

const (
	OK   Grade = "ok"
	Warn Grade = "warn"
	Fail Grade = "fail"
)

// Finding is one thing that was looked at.
type Finding struct {
	Grade   Grade  `json:"grade"`
	Subject string `json:"subject"`
	Text    string `json:"text"`
}

// Cryptoperiod is how long a data key should seal before it is replaced: a year,
// within the two that NIST SP 800-57 part 1 allows (PCI DSS 3.7.4 asks for a
// period per key type).
const Cryptoperiod = 365 * 24 * time.Hour

// checkup collects findings.
type checkup struct {
	dir      string
	findings []Finding
	foundBy  map[keys.KeyID]bool // index keys that repositories are found by
	ids      map[string]bool     // of the vault's KEKs, true for those that wrap; nil where one is not known
	owners   map[string]string   // scopes of rings by the repository whose own they are, "" for those shared
}

func (c *checkup) say(g Grade, subject, format string, args ...any) {
	c.findings = append(c.findings, Finding{g, subject, fmt.Sprintf(format, args...)})
}

// Examine looks at the vault in a folder; open opens a key in a KMS. An error ends
// the examination: what was found before it is returned with it.
func Examine(ctx context.Context, dir string, open vaultdir.OpenKEK) ([]Finding, error) {
	c := &checkup{dir: dir, foundBy: map[keys.KeyID]bool{}, owners: map[string]string{"": ""}}
	found, err := vaultdir.Find(dir)
	if err != nil {
		return nil, err
	}
	c.say(OK, "settings", "%s can be read", filepath.Join(dir, vaultdir.SettingsFile))
	c.folder()
	c.keks(ctx, found, open)
	c.audit()
	if found.Store.Pool == nil {
		c.file("store", found.Store.Path, Warn)
	} else if err := c.database(ctx, "store", found.Store); err != nil {
		return c.findings, err
	}
	c.codes(ctx, found.Codes)
	db, err := found.Store.Open(ctx, &bolt.Options{ReadOnly: true})
	if err != nil {
		return c.findings, err
	}
	defer db.Close()
	c.say(OK, "store", "%s can be read and has a format that this version knows", found.Store)
	if err := c.repositories(ctx, db.Cards()); err != nil {
		return c.findings, err
	}
	if err := c.dataKeys(ctx, db.Keys(), time.Now()); err != nil {
		return c.findings, err
	}
	return c.findings, db.Close()
}

func (c *checkup) folder() {
	info, err := os.Stat(c.dir)
	switch {
	case err != nil:
		c.say(Fail, "folder", "%s cannot be looked at", c.dir)
	case info.Mode().Perm()&0o022 != 0:
		c.say(Fail, "folder", "others may write to %s: chmod 700", c.dir)
	case info.Mode().Perm()&0o055 != 0:
		c.say(Warn, "folder", "others may look into %s: chmod 700", c.dir)
	default:
		c.say(OK, "folder", "%s is for its owner alone", c.dir)
	}
}

// file looks at who may read a file.
func (c *checkup) file(subject, path string, bad Grade) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		c.say(Fail, subject, "%s is not there or cannot be looked at", path)
	case info.Mode().Perm()&0o077 != 0:
		c.say(bad, subject, "others may read %s: chmod 600", path)
	default:
		c.say(OK, subject, "%s is for its owner alone", path)
	}
}

func (c *checkup) audit() {
	path := filepath.Join(c.dir, vaultdir.AuditFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		c.say(Warn, "audit", "%s is not there: nothing was recorded yet", path)
		return
	}
	c.file("audit", path, Warn)
	head, size, err := vaultdir.AuditHead(c.dir)
	switch {
	case errors.Is(err, audit.ErrEmpty) && size == 0:
		c.say(Warn, "audit", "nothing was recorded yet")
		return
	case errors.Is(err, audit.ErrEmpty):
		c.say(Warn, "audit", "its lines are plain text that anybody can change; the next entry begins a chain after them")
		return
	case errors.Is(err, audit.ErrNewer):
		c.say(Fail, "audit", "the log was written by a newer version of cardseal")
		return
	case err != nil:
		c.say(Fail, "audit", "%s cannot be read", path)
		return
	}
	c.say(OK, "audit", "a chain of %d entries, under the keys of ring audit; cardseal audit verify holds them against it", head.Sequence)
	c.say(Warn, "audit", "entries that whoever writes to the folder cuts off its end are missed only where an anchor is kept: "+
		"keep what cardseal audit anchor prints in another place")
}
