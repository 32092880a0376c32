package bolt

import (
	"context"
	"fmt"
	"runtime/debug"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/tokenize/store"
)

// ready says whether a call may go on.
func (db *DB) ready(ctx context.Context) error {
	if db.closed.Load() {
		return store.ErrClosed
	}
	if db.stuck.Load() {
		return *db.broken.Load()
	}
	return ctx.Err()
}

// shield turns bolt's panics into [store.ErrCorrupt]. bolt trusts its file: a
// page that is not what it should be is a failed assertion, an index out of
// range, or a fault in the memory map, which Go would end the process for. The
// panic's text is dropped, since it may quote what it found.
func shield(err *error, caught func(error)) func() {
	before := debug.SetPanicOnFault(true) // of this goroutine
	return func() {
		debug.SetPanicOnFault(before)
		if recover() == nil {
			return
		}
		*err = corrupt("a page of the file")
		if caught != nil {
			caught(*err)
		}
	}
}

// begin opens a transaction. bolt holds locks while it does, which a panic
// would leave locked.
func (db *DB) begin(writable bool) (tx *bbolt.Tx, err error) {
	defer shield(&err, db.setStuck)()
	return db.bolt.Begin(writable)
}

// view runs f in a read transaction. f must not call back into the caller.
func (db *DB) view(ctx context.Context, f func(tx *bbolt.Tx) error) error {
	if err := db.ready(ctx); err != nil {
		return err
	}
	tx, err := db.begin(false)
	if err != nil {
		return translate(err)
	}
	defer db.giveUp(tx)
	return translate(db.run(tx, f, nil))
}

// update runs f in the write transaction and commits it. If f fails, nothing
// was changed.
func (db *DB) update(ctx context.Context, f func(tx *bbolt.Tx) error) error {
	if err := db.ready(ctx); err != nil {
		return err
	}
	select {
	case db.writer <- struct{}{}:
		defer func() { <-db.writer }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := db.ready(ctx); err != nil {
		return err
	}
	if broken := db.broken.Load(); broken != nil {
		return *broken
	}
	tx, err := db.begin(true)
	if err != nil {
		return translate(err)
	}
	defer db.giveUp(tx) // after a commit it does nothing
	id := tx.ID()
	spoilt := func(err error) { db.broken.Store(&err) }
	if err := db.run(tx, f, spoilt); err != nil {
		return translate(err)
	}
	if err := db.run(tx, (*bbolt.Tx).Commit, spoilt); err != nil {
		return db.failed(id, err)
	}
	return nil
}

func (db *DB) run(tx *bbolt.Tx, f func(*bbolt.Tx) error, caught func(error)) (err error) {
	defer shield(&err, caught)()
	return f(tx)
}

// giveUp ends a transaction that was not committed.
func (db *DB) giveUp(tx *bbolt.Tx) {
	var err error
	defer shield(&err, db.setStuck)()
	_ = tx.Rollback() // says only that the transaction is over already
}

func (db *DB) setStuck(err error) {
	db.broken.Store(&err)
	db.stuck.Store(true)
}

// failed sorts out a commit that failed. The transaction counts from the moment
// its meta page is in the file. If it is there, only the fsync behind it can
// have failed, and nobody knows what a restart would find: no more may be built
// on it. If it is not, nothing was written.
func (db *DB) failed(id int, cause error) error {
	tx, err := db.begin(false)
	if err != nil {
		// The mapping was lost while the file grew, before anything was written.
		return translate(cause)
	}
	defer db.giveUp(tx)
	if tx.ID() < id {
		return translate(cause)
	}
	later := fmt.Errorf("bolt: %w: open the file again, the end of an earlier commit is unknown", store.ErrUnavailable)
	db.broken.Store(&later)
	return fmt.Errorf("bolt: %w: %w", store.ErrOutcomeUnknown, cause)
}
