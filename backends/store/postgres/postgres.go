package postgres

import (
	"context"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Options change where the tables are looked for. The zero value takes the
// schema cardseal.
type Options struct {
	// Schema holds the tables; default [DefaultSchema]. It is quoted, so any name
	// will do.
	Schema string
}

// DefaultSchema is the schema of the tables where Options name none.
const DefaultSchema = "cardseal"

// DB is key store, card store and durable store of security codes in one schema of a
// database. Make it with [Open].
type DB struct {
	pool    *pgxpool.Pool
	sql     statements
	codeSQL codeStatements
	closed  atomic.Bool

	// How many remembered calls and spent messages were added since the last sweep
	// for those out of date.
	added, spent atomic.Int64
}

// Open takes the tables in a database that pool connects to; o may be nil. It
// reads, and changes nothing: package migrate makes the tables. It fails with an
// error that is
//
//   - [ErrSchema] if the tables are missing, older than this version of the
//     package or not what its migrations make,
//   - [store.ErrNewer] if a newer version of this package made them,
//   - [ErrPermission] if the role may not read them,
//   - [store.ErrUnavailable] if the database does not answer,
//
// or the context's own error. The pool remains the caller's, who closes it after
// the DB.
func Open(ctx context.Context, pool *pgxpool.Pool, o *Options) (*DB, error) {
	schema := o.schema()
	db := &DB{pool: pool, sql: newStatements(schema), codeSQL: newCodeStatements(schema)}
	if err := db.checkSchema(ctx, schema, SchemaVersion, "cardseal store migrate"); err != nil {
		return nil, err
	}
	return db, nil
}

func (o *Options) schema() string {
	if o == nil || o.Schema == "" {
		return DefaultSchema
	}
	return o.Schema
}

// Keys is the key store.
func (db *DB) Keys() keys.Store { return keyStore{db} }

// Cards is the card store.
func (db *DB) Cards() store.Cards { return cards{db} }

// Codes is the store of security codes that are kept, such as an issuer's. It is
// durable, and shares the fences of the card store.
func (db *DB) Codes() store.Codes { return codes{db} }

// CaptureKeys is where private capture keys are kept, behind the card store's fences.
func (db *DB) CaptureKeys() store.CaptureKeys { return captureKeys{db} }

// Close makes later calls fail: of the stores of cards, codes and capture keys with
// [store.ErrClosed], of
// the key store with an error that is [store.ErrClosed] and [keys.ErrClosed]. It
// leaves the pool open and may be called more than once.
func (db *DB) Close() error {
	db.closed.Store(true)
	return nil
}

// ready says whether a call may go on.
func (db *DB) ready(ctx context.Context) error {
	if db.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}
