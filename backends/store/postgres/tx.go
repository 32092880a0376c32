package postgres

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/tokenize/store"
)

// How often a transaction is run that others rolled back or got ahead of, how
// long it waits before the next try (half of it at random, doubled each time),
// and how often one is run whose connection was lost before it committed.
const (
	maxRuns   = 40
	firstWait = time.Millisecond
	maxWait   = 64 * time.Millisecond
	maxLost   = 4
)

// errRace ends a transaction that lost to another one since it looked.
var errRace = errors.New("postgres: another transaction was first")

// txn is a transaction at work. It begins with its first batch, in the same
// round trip.
type txn struct {
	conn  *pgxpool.Conn
	begun bool
}

// READ COMMITTED whatever the database's default is: each statement sees what was
// committed before it, so what is read after a lock was waited for is current.
const begin = "BEGIN ISOLATION LEVEL READ COMMITTED"

// run sends the statements of a batch in one round trip and hands their results
// to read, one after the other.
func (t *txn) run(ctx context.Context, b *batch) error {
	if !t.begun {
		b.all.QueuedQueries = append([]*pgx.QueuedQuery{{SQL: begin}}, b.all.QueuedQueries...)
		b.read = append([]func(pgx.BatchResults) error{nothing}, b.read...)
	}
	t.begun = true // even if it fails: nobody knows how far it came
	res := t.conn.SendBatch(ctx, &b.all)
	for _, read := range b.read {
		if err := read(res); err != nil {
			_ = res.Close() // the first error says more
			return err
		}
	}
	return res.Close()
}

// commit ends the transaction. Once it is sent only the server's answer tells what
// became of it. pgconn.SafeToRetry is not asked: of a simple query whose answer was
// lost, pgx 5.12 says that it was never sent.
func (t *txn) commit(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.conn.Conn().IsClosed() {
		return io.ErrUnexpectedEOF // before anything was sent
	}
	tag, err := t.conn.Exec(ctx, "COMMIT")
	if err == nil && tag.String() == "COMMIT" {
		t.begun = false
		return nil
	}
	if err == nil {
		return fmt.Errorf("postgres: %w: the transaction had failed", store.ErrUnavailable)
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && !fatal(e) {
		return err // an ERROR, and with it a rollback
	}
	return fmt.Errorf("postgres: %w: %w", store.ErrOutcomeUnknown, translate(err))
}

// end rolls back what was not committed and gives the connection back. A
// connection that does not answer is closed by the pool.
func (t *txn) end(ctx context.Context) {
	if t.begun && !t.conn.Conn().IsClosed() {
		// The caller may have gone, the locks must go too.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, _ = t.conn.Exec(ctx, "ROLLBACK")
	}
	t.conn.Release()
}

// change runs f in a transaction and commits it. It runs f again where others
// were first or the connection was lost before the commit; f must begin anew each
// time.
func (db *DB) change(ctx context.Context, f func(t *txn) error) error {
	return db.again(ctx, func() error {
		conn, err := db.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		t := &txn{conn: conn}
		defer t.end(ctx)
		if err := f(t); err != nil {
			return err
		}
		return t.commit(ctx)
	})
}

// view runs f on a connection, again if the connection was lost. f must begin
// anew each time.
func (db *DB) view(ctx context.Context, f func(conn *pgxpool.Conn) error) error {
	return db.again(ctx, func() error {
		conn, err := db.pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release()
		return f(conn)
	})
}

// exec runs one statement that may be repeated without harm.
func (db *DB) exec(ctx context.Context, sql string, args ...any) error {
	return db.view(ctx, func(conn *pgxpool.Conn) error {
		_, err := conn.Exec(ctx, sql, args...)
		return err
	})
}

// again runs f until it succeeds or fails in a way that another try will not
// change.
func (db *DB) again(ctx context.Context, f func() error) error {
	losses := 0
	for run, wait := 1, firstWait; ; run++ {
		if err := db.ready(ctx); err != nil {
			return err
		}
		err := f()
		if err == nil {
			return nil
		}
		switch {
		case ctx.Err() != nil || run == maxRuns:
			return translate(err)
		case passing(err):
		case lost(err) && !isOurs(err) && losses < maxLost:
			losses++
		default:
			return translate(err)
		}
		if !sleep(ctx, wait) {
			return translate(err)
		}
		wait = min(2*wait, maxWait)
	}
}

// passing reports a transaction that was rolled back for the sake of another.
func passing(err error) bool {
	if errors.Is(err, errRace) {
		return true
	}
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || isOurs(err) {
		return false
	}
	switch e.Code {
	case "40001", "40P01", "55P03": // serialization failure, deadlock, lock timeout
		return true
	case "0A000", "26000": // a prepared statement that a migration or a proxy took away
		return true
	case "57P01", "57P02": // this connection was ended, another may be had
		return true
	}
	return false
}

// sleep waits half of d and as much again at random, and reports false when the
// caller goes.
func sleep(ctx context.Context, d time.Duration) bool {
	var b [8]byte
	_, _ = rand.Read(b[:])
	t := time.NewTimer(d/2 + time.Duration(binary.BigEndian.Uint64(b[:])%uint64(d/2)))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// batch is statements to be sent together and what to do with each one's result.
type batch struct {
	all  pgx.Batch
	read []func(pgx.BatchResults) error
}

// exec queues a statement whose result is of no interest.
func (b *batch) exec(sql string, args ...any) {
	b.all.Queue(sql, args...)
	b.read = append(b.read, nothing)
}

func nothing(r pgx.BatchResults) error {
	_, err := r.Exec()
	return err
}

// count queues a statement that must change n rows, or the transaction lost a
// race.
func (b *batch) count(n int, sql string, args ...any) {
	b.all.Queue(sql, args...)
	b.read = append(b.read, func(r pgx.BatchResults) error {
		tag, err := r.Exec()
		if err == nil && tag.RowsAffected() != int64(n) {
			err = errRace
		}
		return err
	})
}

// rows queues a query and hands its rows to each.
func (b *batch) rows(each func(pgx.Rows) error, sql string, args ...any) {
	b.all.Queue(sql, args...)
	b.read = append(b.read, func(r pgx.BatchResults) error {
		rows, err := r.Query()
		if err != nil {
			return err
		}
		return eachRow(rows, each)
	})
}

func eachRow(rows pgx.Rows, each func(pgx.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}
