package postgres

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// keyStore is the key store of a DB.
type keyStore struct{ db *DB }

// Get reads one record.
func (k keyStore) Get(ctx context.Context, id keys.KeyID) (r keys.Record, err error) {
	err = k.view(ctx, func(conn *pgxpool.Conn) (err error) {
		var row dataKey
		err = conn.QueryRow(ctx, k.db.sql.dataKey, id[:]).Scan(row.into()...)
		if errors.Is(err, pgx.ErrNoRows) {
			return keys.ErrNotFound
		}
		if err != nil {
			return scanFailed(err)
		}
		r, err = row.record()
		return err
	})
	if err != nil {
		return keys.Record{}, keyError(err)
	}
	return r, nil
}

// List reads version and records in one statement.
func (k keyStore) List(ctx context.Context, id keys.RingID) (list []keys.Record, version uint64, err error) {
	if !isRing(&id) {
		return nil, 0, nil // nothing was ever put into it
	}
	err = k.view(ctx, func(conn *pgxpool.Conn) error {
		list, version = nil, 0
		rows, err := conn.Query(ctx, k.db.sql.ring, id.Environment, string(id.Purpose), id.Scope)
		if err != nil {
			return err
		}
		return eachRow(rows, func(rows pgx.Rows) error {
			var v int64
			var row dataKey
			if err := rows.Scan(append([]any{&v}, row.into()...)...); err != nil {
				return scanFailed(err)
			}
			if version = uint64(v); row.id == nil {
				return nil // a ring without keys
			}
			r, err := row.record()
			list = append(list, r)
			return err
		})
	})
	if err != nil {
		return nil, 0, keyError(err)
	}
	return list, version, nil
}

// view is the DB's. An ephemeral table of keys that another transaction makes anew would
// seem empty to a statement that waited for it, were it not READ COMMITTED.
func (k keyStore) view(ctx context.Context, f func(conn *pgxpool.Conn) error) error {
	if k.db.sql.rewriteDataKeys == "" {
		return k.db.view(ctx, f)
	}
	return k.db.view(ctx, func(conn *pgxpool.Conn) error {
		tx, err := conn.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadOnly})
		if err != nil {
			return err
		}
		if err := f(conn); err != nil {
			_ = tx.Rollback(context.WithoutCancel(ctx))
			return err
		}
		return tx.Commit(ctx)
	})
}

// CompareAndSwap raises the ring's version and puts the records in one
// transaction. A record that cannot be stored is an [store.InvalidError].
func (k keyStore) CompareAndSwap(ctx context.Context, id keys.RingID, version uint64, put []keys.Record) error {
	if !isRing(&id) {
		return &store.InvalidError{Field: "RingID", Problem: notText}
	}
	for i := range put {
		if err := checkRecord(&put[i], id, put[:i]); err != nil {
			return err
		}
	}
	return keyError(k.db.change(ctx, func(t *txn) error {
		b, raised := &batch{}, int64(0)
		// Where a wrapped key is to be gone its bytes must be, too, which a changed row
		// leaves in the table's file. The lock comes first: taken on top of a weaker one
		// it could meet another that does the same.
		rewrite := k.db.sql.rewriteDataKeys != "" && slices.ContainsFunc(put, func(r keys.Record) bool { return len(r.Wrapped) == 0 })
		if rewrite {
			b.exec(k.db.sql.lockDataKeys)
		}
		sql, args := k.db.sql.raiseRing, []any{id.Environment, string(id.Purpose), id.Scope, int64(version)}
		if version == 0 {
			sql, args = k.db.sql.insertRing, args[:3]
		}
		b.all.Queue(sql, args...)
		b.read = append(b.read, func(res pgx.BatchResults) error {
			tag, err := res.Exec()
			raised = tag.RowsAffected()
			return err
		})
		stored := int64(0)
		for i := range put {
			b.all.Queue(k.db.sql.putDataKeys, putArgs(&put[i])...)
			b.read = append(b.read, func(res pgx.BatchResults) error {
				tag, err := res.Exec()
				stored += tag.RowsAffected()
				return err
			})
		}
		if rewrite {
			b.exec(k.db.sql.rewriteDataKeys)
		}
		if err := t.run(ctx, b); err != nil {
			return err
		}
		if raised == 0 {
			return keys.ErrConflict
		}
		if stored < int64(len(put)) {
			return &store.InvalidError{Field: "Record.ID", Problem: "belongs to another ring"}
		}
		return nil
	}))
}

func isRing(id *keys.RingID) bool {
	return isText(id.Environment) && isText(string(id.Purpose)) && isText(id.Scope)
}

func checkRecord(r *keys.Record, ring keys.RingID, earlier []keys.Record) error {
	switch {
	case r.ID.IsZero():
		return &store.InvalidError{Field: "Record.ID", Problem: "is missing"}
	case r.Ring != ring:
		return &store.InvalidError{Field: "Record.Ring", Problem: "is another ring"}
	case r.State < keys.Active || r.State > keys.Destroyed:
		return &store.InvalidError{Field: "Record.State", Problem: "is unknown"}
	case slices.ContainsFunc(earlier, func(e keys.Record) bool { return e.ID == r.ID }):
		return &store.InvalidError{Field: "Record.ID", Problem: "is there twice"}
	case slices.ContainsFunc(r.Wrapped, func(w keys.Wrapping) bool { return !isText(w.KEK) }):
		return &store.InvalidError{Field: "Record.Wrapped", Problem: "has a KEK that is not UTF-8 without a zero byte"}
	}
	return nil
}

func putArgs(r *keys.Record) []any {
	keks, wrappings := make([]string, len(r.Wrapped)), make([][]byte, len(r.Wrapped))
	for i, w := range r.Wrapped {
		keks[i], wrappings[i] = w.KEK, append([]byte{}, w.Bytes...)
	}
	return []any{r.ID[:], r.Ring.Environment, string(r.Ring.Purpose), r.Ring.Scope, int16(r.State),
		r.Created.Unix(), r.Changed.Unix(), keks, wrappings}
}

// dataKey is a row of data_keys; all NULL beside a ring without keys.
type dataKey struct {
	id                          []byte
	environment, purpose, scope *string
	state                       *int16
	created, changed            *int64
	keks                        []string
	wrappings                   [][]byte
}

func (d *dataKey) into() []any {
	return []any{&d.id, &d.environment, &d.purpose, &d.scope, &d.state, &d.created, &d.changed, &d.keks, &d.wrappings}
}

func (d *dataKey) record() (keys.Record, error) {
	r := keys.Record{
		Ring:    keys.RingID{Environment: *d.environment, Purpose: keys.Purpose(*d.purpose), Scope: *d.scope},
		State:   keys.State(*d.state),
		Created: time.Unix(*d.created, 0).UTC(),
		Changed: time.Unix(*d.changed, 0).UTC(),
	}
	if len(d.id) != len(r.ID) || len(d.keks) != len(d.wrappings) || r.State < keys.Active || r.State > keys.Destroyed {
		return keys.Record{}, corrupt("a key record")
	}
	copy(r.ID[:], d.id)
	for i := range d.keks {
		r.Wrapped = append(r.Wrapped, keys.Wrapping{KEK: d.keks[i], Bytes: d.wrappings[i]})
	}
	return r, nil
}
