package postgres

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// codes is the store of security codes of a DB, with the fences of its cards.
type codes struct{ db *DB }

func (c codes) OpenFence(ctx context.Context, key envelope.KeyID) error {
	return cards(c).OpenFence(ctx, key)
}

func (c codes) CloseFence(ctx context.Context, key envelope.KeyID) error {
	return cards(c).CloseFence(ctx, key)
}

// CheckEphemeral says that the tables are durable ones. Those of an [Ephemeral] are
// looked at.
func (c codes) CheckEphemeral(context.Context) error {
	return fmt.Errorf("postgres: %w: the codes stand beside the cards, in the database's log, backups and replicas", store.ErrDurable)
}

func checkCode(c *store.Code) error {
	if err := store.CheckCode(c); err != nil {
		return err
	}
	if !isText(c.ID.Owner) {
		return &store.InvalidError{Field: "CodeID.Owner", Problem: notText}
	}
	if !isText(c.Token) {
		return &store.InvalidError{Field: "Code.Token", Problem: notText}
	}
	return nil
}

// PutCodes takes one round trip and one for the commit.
func (c codes) PutCodes(ctx context.Context, list []store.Code) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	var keys []envelope.KeyID
	last := make(map[store.CodeID]int, len(list))
	for i := range list {
		if err := checkCode(&list[i]); err != nil {
			return err
		}
		key, _ := envelope.StoredKeyID(list[i].Record)
		keys = append(keys, key)
		last[list[i].ID] = i
	}
	if len(list) == 0 {
		return nil
	}
	rows := make([]int, 0, len(last))
	for _, i := range last {
		rows = append(rows, i)
	}
	// In one order for everybody, so that two who put the same codes do not each wait
	// for the other.
	slices.SortFunc(rows, func(i, j int) int { return compareCodes(&list[i].ID, &list[j].ID) })
	args := putCodesArgs(list, rows)
	return c.db.change(ctx, func(t *txn) error {
		b := &batch{}
		fences := c.queueFences(b, keys)
		b.exec(c.db.codeSQL.put, args...)
		if err := t.run(ctx, b); err != nil {
			return err
		}
		return fences()
	})
}

func compareCodes(a, b *store.CodeID) int {
	return cmp.Or(bytes.Compare(a.Scope[:], b.Scope[:]), cmp.Compare(a.OwnerType, b.OwnerType), cmp.Compare(a.Owner, b.Owner),
		bytes.Compare(a.Card[:], b.Card[:]))
}

func putCodesArgs(list []store.Code, rows []int) []any {
	n := len(rows)
	scopes, cards, recordIDs, records, keys := make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n), make([][]byte, n)
	types, owners, tokens := make([]int16, n), make([]string, n), make([]string, n)
	created, expires, reads := make([]int64, n), make([]int64, n), make([]int64, n)
	for to, from := range rows {
		c := &list[from]
		scopes[to], types[to], owners[to], cards[to] = c.ID.Scope[:], int16(c.ID.OwnerType), c.ID.Owner, c.ID.Card[:]
		recordIDs[to], tokens[to], records[to] = c.RecordID[:], c.Token, c.Record
		key, _ := envelope.StoredKeyID(c.Record)
		keys[to] = key[:]
		created[to], expires[to], reads[to] = c.Created, c.Expires, int64(c.Reads)
	}
	return []any{scopes, types, owners, cards, recordIDs, tokens, records, keys, created, expires, reads}
}

// queueFences locks the fences of keys until the transaction's end, so that closing
// one waits for it. What it returns says afterwards whether all are open.
func (c codes) queueFences(b *batch, keys []envelope.KeyID) func() error {
	slices.SortFunc(keys, func(a, b envelope.KeyID) int { return bytes.Compare(a[:], b[:]) })
	keys = slices.Compact(keys)
	list := make([][]byte, len(keys))
	for i := range keys {
		list[i] = keys[i][:]
	}
	opened := 0
	b.rows(func(rows pgx.Rows) error {
		var key []byte
		var open bool
		if err := rows.Scan(&key, &open); err != nil {
			return scanFailed(err)
		}
		if open {
			opened++
		}
		return nil
	}, c.db.sql.lockFences, list)
	return func() error {
		if opened < len(keys) {
			return store.ErrFenced
		}
		return nil
	}
}

// Code reads one row.
func (c codes) Code(ctx context.Context, id store.CodeID, now int64) (out store.Code, err error) {
	if err := c.db.ready(ctx); err != nil {
		return store.Code{}, err
	}
	if !isText(id.Owner) {
		return store.Code{}, store.ErrNotFound
	}
	err = c.db.view(ctx, func(conn *pgxpool.Conn) error {
		out, err = scanCode(conn.QueryRow(ctx, c.db.codeSQL.code, codeArgs(&id, now)...))
		return err
	})
	if err != nil {
		return store.Code{}, err
	}
	return out, nil
}

// scanCode reads a code, and more columns behind it.
func scanCode(row pgx.Row, more ...any) (store.Code, error) {
	var r codeRow
	err := row.Scan(append(r.into(), more...)...)
	if errors.Is(err, pgx.ErrNoRows) {
		return store.Code{}, store.ErrNotFound
	}
	if err != nil {
		return store.Code{}, scanFailed(err)
	}
	return r.code()
}

// ReplaceRecord is a transaction of its own like a put.
func (c codes) ReplaceRecord(ctx context.Context, old store.Code, record []byte) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckRecord(record); err != nil {
		return err
	}
	if !isText(old.ID.Owner) {
		return store.ErrConflict
	}
	key, _ := envelope.StoredKeyID(record)
	return c.db.change(ctx, func(t *txn) error {
		b := &batch{}
		fences := c.queueFences(b, []envelope.KeyID{key})
		changed := int64(0)
		b.all.Queue(c.db.codeSQL.replace, codeArgs(&old.ID, old.RecordID[:], old.Record, record, key[:])...)
		b.read = append(b.read, func(r pgx.BatchResults) error {
			tag, err := r.Exec()
			changed = tag.RowsAffected()
			return err
		})
		if err := t.run(ctx, b); err != nil {
			return err
		}
		if err := fences(); err != nil {
			return err
		}
		if changed == 0 {
			return store.ErrConflict
		}
		return nil
	})
}
