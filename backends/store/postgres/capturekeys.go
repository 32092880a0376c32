package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// captureKeys is the store of capture keys of a DB.
type captureKeys struct{ db *DB }

// Put writes in one transaction, in which the data key's fence is open.
func (c captureKeys) Put(ctx context.Context, k store.CaptureKey, was []byte) error {
	if err := store.CheckCaptureKey(&k); err != nil {
		return err
	}
	if !isText(k.Scope) || !isText(k.Alias) {
		return &store.InvalidError{Field: "CaptureKey", Problem: "has a scope or an alias that " + notText}
	}
	args := []any{k.Scope, k.Alias, k.ID[:], k.Created.Unix(), k.Retires.Unix(), []byte{}, append([]byte{}, k.Sealed...)}
	under, fenced := envelope.StoredKeyID(k.Sealed)
	if fenced {
		args[5] = under[:]
	}
	sql := c.db.sql.insertCaptureKey
	if was != nil {
		sql, args = c.db.sql.updateCaptureKey, append(args, was)
	}
	return c.db.change(ctx, func(t *txn) error {
		b, open, stored := &batch{}, !fenced, int64(0)
		if fenced {
			b.exec(c.db.sql.openFence, under[:])
			b.rows(func(rows pgx.Rows) error { return scanFailed(rows.Scan(&open)) }, c.db.sql.lockFence, under[:])
		}
		b.all.Queue(sql, args...)
		b.read = append(b.read, func(res pgx.BatchResults) error {
			tag, err := res.Exec()
			stored = tag.RowsAffected()
			return err
		})
		switch err := t.run(ctx, b); {
		case err != nil:
			return err
		case stored == 0:
			return store.ErrConflict
		case !open:
			return store.ErrFenced
		}
		return nil
	})
}

// Get reads one key.
func (c captureKeys) Get(ctx context.Context, scope, alias string, id capture.KeyID) (k store.CaptureKey, err error) {
	if !isText(scope) || !isText(alias) {
		return store.CaptureKey{}, store.ErrNotFound
	}
	err = c.db.view(ctx, func(conn *pgxpool.Conn) error {
		k, err = scanCaptureKey(conn.QueryRow(ctx, c.db.sql.captureKey, scope, alias, id[:]))
		if errors.Is(err, pgx.ErrNoRows) {
			return store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return store.CaptureKey{}, err
	}
	return k, nil
}

// List reads the keys in one statement.
func (c captureKeys) List(ctx context.Context, scope, alias string) (all []store.CaptureKey, err error) {
	if !isText(scope) || !isText(alias) {
		return nil, nil
	}
	err = c.db.view(ctx, func(conn *pgxpool.Conn) error {
		all = nil
		rows, err := conn.Query(ctx, c.db.sql.captureKeys, scope, alias)
		if err != nil {
			return err
		}
		return eachRow(rows, func(rows pgx.Rows) error {
			k, err := scanCaptureKey(rows)
			all = append(all, k)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func scanCaptureKey(row pgx.Row) (k store.CaptureKey, err error) {
	var id []byte
	var created, retires int64
	if err := row.Scan(&k.Scope, &k.Alias, &id, &created, &retires, &k.Sealed); err != nil {
		return store.CaptureKey{}, scanFailed(err)
	}
	if len(id) != len(k.ID) {
		return store.CaptureKey{}, corrupt("a capture key")
	}
	copy(k.ID[:], id)
	k.Created, k.Retires = time.Unix(created, 0).UTC(), time.Unix(retires, 0).UTC()
	return k, nil
}

// CountByKey counts rows by their data key.
func (c captureKeys) CountByKey(ctx context.Context, key envelope.KeyID) (n uint64, err error) {
	err = c.db.view(ctx, func(conn *pgxpool.Conn) error {
		return scanFailed(conn.QueryRow(ctx, c.db.sql.countCaptureKeys, key[:]).Scan(&n))
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
