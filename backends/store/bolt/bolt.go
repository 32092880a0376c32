// Package bolt keeps data keys, cards and security codes that are to be kept (an
// issuer's) in one file, the embedded default store of cardseal.
//
// A call that returned without error is on disk: each Write is one transaction
// of go.etcd.io/bbolt and ends with fsync, so many rows in one call cost little
// more than one. The file belongs to one process at a time; another is told
// [store.ErrLocked]. It is meant for a vault on one machine with a local file
// system; flock and memory maps over a network cannot be trusted.
//
// When not to use it: where more than one process writes cards (package
// postgres does that), where loss of the machine must lose nothing, or for codes
// that must leave no copy behind (package memory, or postgres's ephemeral store).
//
// Limits: a token, an ordered column, a repository's name and a merchant have
// at most 255 bytes, a row has at most 255 index values. The file grows and is
// never made smaller; room that deleted data leaves is used again. Deleting is
// not wiping: old pages keep their bytes until they are written over, which is
// why what they hold is sealed.
//
// What is promised to stay: a file that a released version of this package
// wrote, every later one reads. A file of a newer version is refused with
// [store.ErrNewer]. A file that is cut short or damaged is refused with
// [store.ErrCorrupt], when it is opened or when the damage is met; there is no
// checksum over clear columns, so a damaged digit in one is not noticed (sealed
// values are authenticated by their seal).
//
// All stores are safe for concurrent use by many goroutines. Writes happen one
// after the other; reads see whole transactions and wait for none, except
// while the file's mapping grows.
package bolt

import (
	"fmt"
	"os"
	"sync/atomic"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Options change how a file is opened. The zero value opens an existing file
// for reading and writing.
type Options struct {
	// Create makes the file, mode 0600, if it is missing or was left empty. Its
	// folder must be there.
	Create bool
	// ReadOnly opens the file without writing to it: every change is refused
	// with [store.ErrReadOnly]. Several processes may read at once, but none
	// while another has the file for writing.
	ReadOnly bool
	// MaxSize is how many bytes the file may grow to, 0 for no limit. A write
	// that would need more is refused with [store.ErrFull].
	MaxSize int
}

// InvalidError says which part of a call cannot be stored. It never carries the
// value itself.
type InvalidError struct {
	Field   string // as in the Go type, such as "Row.Token"
	Problem string
}

// Error names the field and what is wrong with it.
func (e *InvalidError) Error() string { return "bolt: " + e.Field + " " + e.Problem }

// DB is an open file. Make it with [Open].
type DB struct {
	bolt   *bbolt.DB
	file   *os.File // the one bolt has
	closed atomic.Bool
	writer chan struct{} // holds one element while a write transaction is open

	// broken is set once the file must not be written any more: the end of a
	// commit is unknown, or bolt panicked in a write transaction.
	broken atomic.Pointer[error]
	// stuck is set when bolt panicked where it may hold its own locks.
	stuck atomic.Bool

	// Where the next sweeps of remembered calls and spent messages begin; the writer's.
	swept, sweptSpent []byte
}

// Keys is the key store.
func (db *DB) Keys() keys.Store { return keyStore{db} }

// Cards is the card store.
func (db *DB) Cards() store.Cards { return cards{db} }

// Codes is the store of security codes that are kept, such as an issuer's. It is
// durable, and shares the fences of the card store. Each attempt at a code that is let
// through is a transaction of its own, with its fsync.
func (db *DB) Codes() store.Codes { return codes{db} }

// CaptureKeys is where private capture keys are kept, behind the card store's fences.
func (db *DB) CaptureKeys() store.CaptureKeys { return captureKeys{db} }

// Close waits for calls that are under way and gives the file free. Later calls
// fail: of the key store with an error that is [store.ErrClosed] and
// [keys.ErrClosed], of the others with [store.ErrClosed]. It may be called more than
// once.
func (db *DB) Close() error {
	if db.closed.Swap(true) {
		return nil
	}
	closeFile := db.bolt.Close
	if db.stuck.Load() {
		// bolt would wait for ever for a lock it left behind.
		closeFile = func() error { return abandon(db.file) }
	}
	if err := closeFile(); err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	return nil
}
