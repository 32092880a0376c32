package cli

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/kekcheck"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

// failure is an error of this program that needs no explaining.
type failure struct{ text string }

func (e *failure) Error() string { return e.text }

// known says in plain words what an error of a layer below means to an operator.
var known = []struct {
	err  error
	text string
}{
	{local.ErrPassphrase, "the passphrase is wrong, or its file was altered"},
	{local.ErrNoPassphrase, "the key needs a passphrase"},
	{store.ErrNewer, "the store was written by a newer version of cardseal; use that version"},
	{store.ErrLocked, "the store is in use: another process, a service or a second cardseal, holds it; try again when it has ended"},
	{audit.ErrLocked, "the audit log is in use: another process writes it; try again when it has ended"},
	{audit.ErrNewer, "the audit log was written by a newer version of cardseal; use that version"},
	{store.ErrFull, "the disk is full: what was done so far is kept, and the same command goes on once there is room"},
	{store.ErrReadOnly, "the store cannot be written: its file or file system is read-only"},
	{postgres.ErrPermission, "the database role lacks a privilege: run the grants again (cardseal store grants)"},
	{store.ErrOutcomeUnknown, "the answer to the last commit was lost: give the same command again, it finds out and goes on"},
	{store.ErrCorrupt, "the store is damaged, or is not a store of cardseal; restore it from a backup"},
	{keys.ErrCorrupt, "a data key does not unwrap under this key: it is another vault's key, or the store was altered"},
	{keys.ErrNotFound, "a data key was wrapped by another key than this vault's"},
	{syscall.ENOSPC, "the disk is full: what was done so far is kept, and the same command goes on once there is room"},
	{syscall.EDQUOT, "the disk quota is used up: what was done so far is kept, and the same command goes on once there is room"},
	{syscall.EROFS, "the file system is read-only"},
	{tokenize.ErrConfig, "the repository exists with another configuration; see cardseal repo show"},
	{tokenize.ErrTokenDeleted, "the token was deleted; it does not come back"},
	{tokenize.ErrConflict, "the token has another version, or was changed meanwhile; see cardseal token get"},
	{tokenize.ErrNoCodeStore, "the vault's store keeps no security codes"},
	{vaultdir.ErrSecond, "the second database for security codes is the first: name another one in the settings, or none"},
	{code.ErrBlocked, "the security code is blocked and was not used; see cardseal cvc status and cardseal cvc unblock"},
	{code.ErrSpent, "the security code has had all its attempts, and was not used: another one ends that"},
	{tokenize.ErrAudit, "the audit log could not be written"},
	{bulk.ErrInterrupted, "interrupted"},
}

// explain returns what to tell the user and the exit status.
func explain(err error) (string, int) {
	if e, ok := errors.AsType[*usageError](err); ok {
		return e.text, ExitUsage
	}
	if e, ok := errors.AsType[*vaultdir.UnsupportedError](err); ok {
		return e.Error(), ExitUsage
	}
	if e, ok := errors.AsType[*vaultdir.StoreURIError](err); ok {
		return e.Error(), ExitUsage
	}
	if e, ok := errors.AsType[*failure](err); ok {
		return e.text, ExitFailed
	}
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		return "the database cannot be reached: " + e.Error(), ExitFailed
	}
	if e, ok := errors.AsType[*keys.OtherKEKsError](err); ok {
		return "the active data key is also wrapped by keys that the settings do not name, and the next would not be: " + strings.Join(e.KEKs, ", ") +
			"; name them in settings.json (cardseal kek --help), or have cardseal keys rewrap --drop-others remove them", ExitFailed
	}
	if errors.Is(err, postgres.ErrSchema) || errors.Is(err, store.ErrDurable) {
		return err.Error(), ExitFailed // says what to do
	}
	if text, ok := kekcheck.Words(err); ok {
		if _, wrong := errors.AsType[*open.URIError](err); wrong {
			return text, ExitUsage
		}
		return text, ExitFailed
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			return k.text + where(err), ExitFailed
		}
	}
	if e, ok := errors.AsType[*tokenize.Error](err); ok {
		return ofLibrary(e)
	}
	if e, ok := errors.AsType[*local.FileError](err); ok {
		return "the key file " + e.Path + " " + e.Reason, ExitFailed
	}
	if e, ok := errors.AsType[*local.ParamError](err); ok {
		return "the key's " + e.Field + " " + e.Reason, ExitUsage
	}
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Path + ": " + e.Err.Error(), ExitFailed
	}
	if isOurs(err) {
		return err.Error(), ExitFailed
	}
	return err.Error() + "; see --help", ExitUsage // the command library's
}

// where is the path an error names.
func where(err error) string {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return " (" + e.Path + ")"
	}
	return ""
}

func ofLibrary(e *tokenize.Error) (string, int) {
	text := strings.TrimSpace(e.Field + " " + e.Explanation)
	if e.Cause == tokenize.InvalidRequest {
		return text, ExitUsage
	}
	if e.SupportCode != "" {
		text += " [" + e.SupportCode + "]"
	}
	return text, ExitFailed
}

// ours wraps errors that come from a command and not from the command library.
type ours struct{ err error }

func (e *ours) Error() string { return e.err.Error() }
func (e *ours) Unwrap() error { return e.err }

func isOurs(err error) bool {
	if _, ok := errors.AsType[*usageError](err); ok {
		return true
	}
	_, ok := errors.AsType[*ours](err)
	return ok || errors.Is(err, errPart)
}
