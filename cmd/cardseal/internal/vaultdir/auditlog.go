package vaultdir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// AuditScope is the scope of the audit ring's keys that chain a vault's log.
const AuditScope = "audit.log"

// AuditRing is the keys that chain a vault's audit log.
func AuditRing(m *keys.Manager) (*keys.Scope, error) { return m.Scope(keys.Audit, AuditScope) }

// OpenAuditLog opens the audit log of the vault in a folder, made 0600 if there is
// none. In one that an earlier version wrote as plain lines the chain begins after
// them: they stay where they are, and its first entry holds their digest.
func OpenAuditLog(dir string, m *keys.Manager) (*audit.File, error) {
	ring, err := AuditRing(m)
	if err != nil {
		return nil, err
	}
	return audit.OpenFile(filepath.Join(dir, AuditFile), ring, nil)
}

// AuditHead returns where the chain of the audit log in a folder stands, and how long
// the log is in bytes, from its end alone: it needs neither key nor store and may be
// asked while another process writes the log. What it stands at is durable. The error
// is [audit.ErrEmpty] where there is no chain, or no log.
func AuditHead(dir string) (a audit.Anchor, size int64, err error) {
	f, err := os.Open(filepath.Join(dir, AuditFile))
	if errors.Is(err, fs.ErrNotExist) {
		return a, 0, audit.ErrEmpty
	}
	if err != nil {
		return a, 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return a, 0, err
	}
	if a, err = audit.ReadHead(f, info.Size()); err != nil {
		return a, info.Size(), err
	}
	return a, info.Size(), f.Sync()
}
