package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/tokenize/store"
)

// single runs f, which sends one statement that is a transaction of its own: one round
// trip, and the statement's answer is the commit's. Where it is lost nobody knows
// what became of it, and what counts must not be run again: ErrOutcomeUnknown. What
// the server rolled back is run again.
func (db *DB) single(ctx context.Context, f func(conn *pgxpool.Conn) error) error {
	return db.again(ctx, func() error {
		conn, err := db.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		if err := ctx.Err(); err != nil {
			return err
		}
		if conn.Conn().IsClosed() {
			return io.ErrUnexpectedEOF // before anything was sent
		}
		err = f(conn)
		if err == nil || isOurs(err) {
			return err
		}
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && !fatal(e) {
			return err // an ERROR, and with it a rollback
		}
		return fmt.Errorf("postgres: %w: %w", store.ErrOutcomeUnknown, translate(err))
	})
}

// ReadCode is one statement; where its answer is lost the read may have counted.
func (c codes) ReadCode(ctx context.Context, id store.CodeID, now int64) (out store.Code, err error) {
	if err := c.db.ready(ctx); err != nil {
		return store.Code{}, err
	}
	if !isText(id.Owner) {
		return store.Code{}, store.ErrNotFound
	}
	err = c.db.single(ctx, func(conn *pgxpool.Conn) error {
		out, err = scanCode(conn.QueryRow(ctx, c.db.codeSQL.read, codeArgs(&id, now)...))
		return err
	})
	if err != nil {
		return store.Code{}, err
	}
	return out, nil
}

// Attempt is one statement; where its answer is lost it may have taken a number, and
// counts as taken.
func (c codes) Attempt(ctx context.Context, id store.CodeID, counter uint16, l store.TryLimits, now int64) (a store.Attempt, err error) {
	if err := c.db.ready(ctx); err != nil {
		return store.Attempt{}, err
	}
	if err := store.CheckLimits(l); err != nil {
		return store.Attempt{}, err
	}
	if !isText(id.Owner) {
		return store.Attempt{}, store.ErrNotFound
	}
	var code store.Code
	var result int16
	err = c.db.single(ctx, func(conn *pgxpool.Conn) error {
		row := conn.QueryRow(ctx, c.db.codeSQL.attempt, codeArgs(&id, now, int32(counter), int64(l.Tries), int64(l.Guesses))...)
		code, err = scanCode(row, &result)
		return err
	})
	if err != nil {
		return store.Attempt{}, err
	}
	// The row is as it was before: what the statement did to it is what Try does.
	if a = code.Try(counter, l); a.Result != store.TryResult(result) {
		return store.Attempt{}, corrupt("a try counter")
	}
	return a, nil
}

// Settle is one statement. A right attempt whose answer is lost gave its guess back
// or did not: it is not to be settled again.
func (c codes) Settle(ctx context.Context, id store.CodeID, a store.Attempt, right bool, l store.TryLimits) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckSettle(&a, l); err != nil || !isText(id.Owner) {
		return err
	}
	args := codeArgs(&id, a.Code.RecordID[:], int32(a.Counter), int64(a.Number))
	if !right { // blocks, or does not, however often it is run
		return c.db.exec(ctx, c.db.codeSQL.settleWrong, append(args, int64(l.Tries))...)
	}
	return c.db.single(ctx, func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, c.db.codeSQL.settleRight, args...)
		return err
	})
}

// ResetTries is one statement.
func (c codes) ResetTries(ctx context.Context, id store.CodeID, counters []uint16, unblock bool, l store.TryLimits, now int64) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckLimits(l); err != nil {
		return err
	}
	if !isText(id.Owner) {
		return store.ErrNotFound
	}
	ids := make([]int32, len(counters))
	for i, counter := range counters {
		ids[i] = int32(counter)
	}
	return c.db.single(ctx, func(conn *pgxpool.Conn) error {
		tag, err := conn.Exec(ctx, c.db.codeSQL.reset, codeArgs(&id, now, ids, unblock, int64(l.Tries))...)
		if err == nil && tag.RowsAffected() == 0 {
			err = store.ErrNotFound
		}
		return err
	})
}

func sortCounters(list []store.TryCounter) {
	slices.SortFunc(list, func(a, b store.TryCounter) int { return cmp.Compare(a.ID, b.ID) })
}
