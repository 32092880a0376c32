package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// OpenFence inserts the fence if there is none.
func (c cards) OpenFence(ctx context.Context, key envelope.KeyID) error {
	return c.db.exec(ctx, c.db.sql.openFence, key[:])
}

// CloseFence waits for every transaction that may write a sealed value, of
// whatever key, and keeps new ones waiting meanwhile: those that lock a fence's
// row for themselves alone could pass it on to each other for ever.
func (c cards) CloseFence(ctx context.Context, key envelope.KeyID) error {
	return c.db.repeatable(c.db.change(ctx, func(t *txn) error {
		b := &batch{}
		if c.db.sql.lockTables {
			b.exec(c.db.sql.exclusiveFences)
		}
		b.exec(c.db.sql.closeFence, key[:])
		return t.run(ctx, b)
	}))
}

// repeatable words the error of a change that may be made again without harm: it
// does not matter whether it was made.
func (db *DB) repeatable(err error) error {
	if errors.Is(err, store.ErrOutcomeUnknown) {
		return &unknown{err}
	}
	return err
}

// unknown is ErrUnavailable in place of ErrOutcomeUnknown.
type unknown struct{ err error }

func (u *unknown) Error() string { return u.err.Error() }

func (u *unknown) Unwrap() []error { return []error{store.ErrUnavailable, u.err} }

// AssignMerchant inserts the merchant or moves it.
func (c cards) AssignMerchant(ctx context.Context, merchant string, scope store.ScopeID) error {
	if merchant == "" || len(merchant) > store.MaxName {
		return &store.InvalidError{Field: "merchant", Problem: "must have 1 to 255 bytes"}
	}
	if !isText(merchant) {
		return &store.InvalidError{Field: "merchant", Problem: notText}
	}
	return c.db.exec(ctx, c.db.sql.assignMerchant, merchant, scope[:])
}

// MerchantScope reads a merchant's scope.
func (c cards) MerchantScope(ctx context.Context, merchant string) (scope store.ScopeID, err error) {
	if !isText(merchant) {
		return scope, store.ErrNotFound
	}
	var found []byte
	if err := c.one(ctx, &found, c.db.sql.merchantScope, merchant); err != nil {
		return scope, err
	}
	if len(found) != len(scope) {
		return scope, corrupt("a merchant")
	}
	return store.ScopeID(found), nil
}

// Job reads a job's state.
func (c cards) Job(ctx context.Context, id store.JobID) (state []byte, err error) {
	err = c.one(ctx, &state, c.db.sql.job, id[:])
	return state, err
}

// EndJob deletes the job's row.
func (c cards) EndJob(ctx context.Context, id store.JobID) error {
	return c.db.exec(ctx, c.db.sql.endJob, id[:])
}

// one reads a value, or returns [store.ErrNotFound].
func (c cards) one(ctx context.Context, into *[]byte, sql string, args ...any) error {
	return c.db.view(ctx, func(conn *pgxpool.Conn) error {
		err := conn.QueryRow(ctx, sql, args...).Scan(into)
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrNotFound
		}
		return scanFailed(err)
	})
}
