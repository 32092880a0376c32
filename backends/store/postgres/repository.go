package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// CreateRepository refuses a scope that belongs to a repository of another name
// with an [store.InvalidError].
func (c cards) CreateRepository(ctx context.Context, r store.Repository) (stored store.Repository, err error) {
	if r.Name == "" || len(r.Name) > store.MaxName {
		return stored, &store.InvalidError{Field: "Repository.Name", Problem: "must have 1 to 255 bytes"}
	}
	if !isText(r.Name) {
		return stored, &store.InvalidError{Field: "Repository.Name", Problem: notText}
	}
	err = c.db.repeatable(c.db.change(ctx, func(t *txn) error {
		// The name decides, so it comes first; then the scope has its row and epoch.
		b, made := &batch{}, int64(0)
		b.all.Queue(c.db.sql.insertRepository, r.Name, r.Scope[:], append([]byte{}, r.Config...), append([]byte{}, r.State...))
		b.read = append(b.read, func(res pgx.BatchResults) error {
			tag, err := res.Exec()
			made = tag.RowsAffected()
			return err
		})
		if err := t.run(ctx, b); err != nil {
			return err
		}
		if made == 1 {
			b = &batch{}
			b.exec(c.db.sql.putEpoch, r.Scope[:], int64(r.Epoch))
			if err := t.run(ctx, b); err != nil {
				return err
			}
		}
		row := t.conn.QueryRow(ctx, c.db.sql.repositoryByName, r.Name)
		var err error
		if stored, err = scanRepository(row); errors.Is(err, store.ErrNotFound) {
			// Nothing was made, and not because of the name.
			return &store.InvalidError{Field: "Repository.Scope", Problem: "belongs to another repository"}
		}
		return err
	}))
	if err != nil {
		return store.Repository{}, err
	}
	return stored, nil
}

// UpdateRepository locks the repository's row. To raise the epoch it also waits
// for every transaction that may write a card, and keeps new ones waiting
// meanwhile, as CloseFence does. Then, as writes do, it locks the fences it needs.
func (c cards) UpdateRepository(ctx context.Context, r store.Repository, needs ...envelope.KeyID) error {
	return c.db.change(ctx, func(t *txn) error {
		var old store.Repository
		b := &batch{}
		found := false
		b.rows(func(rows pgx.Rows) (err error) {
			old, err = scanRepository(rows)
			found = true
			return err
		}, c.db.sql.repositoryByScope, r.Scope[:])
		if err := t.run(ctx, b); err != nil {
			return err
		}
		switch {
		case !found:
			return store.ErrNotFound
		case old.Version != r.Version:
			return store.ErrConflict
		case r.Epoch < old.Epoch:
			return &store.InvalidError{Field: "Repository.Epoch", Problem: "must not fall"}
		}
		b = &batch{}
		if r.Epoch != old.Epoch && c.db.sql.lockTables {
			b.exec(c.db.sql.exclusiveScopes)
		}
		open := map[envelope.KeyID]bool{}
		b.fences(&c.db.sql, needs, open)
		b.count(1, c.db.sql.updateRepository, r.Scope[:], append([]byte{}, r.State...))
		if r.Epoch != old.Epoch {
			b.count(1, c.db.sql.setEpoch, r.Scope[:], int64(r.Epoch))
		}
		if err := t.run(ctx, b); err != nil {
			return err
		}
		for _, key := range needs {
			if !open[key] {
				return store.ErrFenced
			}
		}
		return nil
	})
}

// Repositories reads them in one statement.
func (c cards) Repositories(ctx context.Context) (list []store.Repository, err error) {
	err = c.db.view(ctx, func(conn *pgxpool.Conn) error {
		list = nil
		rows, err := conn.Query(ctx, c.db.sql.repositories)
		if err != nil {
			return err
		}
		return eachRow(rows, func(rows pgx.Rows) error {
			r, err := scanRepository(rows)
			list = append(list, r)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

func scanRepository(row pgx.Row) (r store.Repository, err error) {
	var scope []byte
	var epoch, version int64
	err = row.Scan(&scope, &r.Name, &r.Config, &r.State, &epoch, &version)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, store.ErrNotFound
	}
	if err != nil {
		return r, scanFailed(err)
	}
	if len(scope) != len(r.Scope) || version <= 0 {
		return r, corrupt("a repository")
	}
	r.Scope, r.Epoch, r.Version = store.ScopeID(scope), uint64(epoch), uint64(version)
	return r, nil
}
