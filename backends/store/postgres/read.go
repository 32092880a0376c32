package postgres

import (
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// What may be long is read in pieces, each with a statement of its own, and the
// caller is called between them: no transaction, connection or snapshot is held
// meanwhile.
const pieceRows = 1000

// Get reads all tokens in one statement.
func (c cards) Get(ctx context.Context, scope store.ScopeID, tokens []string) ([]store.Row, error) {
	rows := make([]store.Row, len(tokens))
	at := make(map[string][]int, len(tokens))
	asked := make([]string, 0, len(tokens))
	for i, token := range tokens {
		if token == "" || len(token) > store.MaxName || !isText(token) {
			continue // no token that was ever stored
		}
		if at[token] == nil {
			asked = append(asked, token)
		}
		at[token] = append(at[token], i)
	}
	err := c.db.view(ctx, func(conn *pgxpool.Conn) error {
		if len(asked) == 0 {
			return nil
		}
		found, err := conn.Query(ctx, c.db.sql.get, scope[:], asked)
		if err != nil {
			return err
		}
		return eachRow(found, func(found pgx.Rows) error {
			row, err := scanRow(found)
			for k, i := range at[row.Token] {
				if rows[i] = row; k > 0 {
					rows[i] = clone(row)
				}
			}
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// clone copies what a row points to, for a token that was asked for twice.
func clone(r store.Row) store.Row {
	r.Sealed, r.Index = slices.Clone(r.Sealed), slices.Clone(r.Index)
	for i := range r.Sealed {
		r.Sealed[i].Record = slices.Clone(r.Sealed[i].Record)
	}
	return r
}

// ByIndex reads all values in one statement.
func (c cards) ByIndex(ctx context.Context, scope store.ScopeID, list []store.IndexValue) ([][]string, error) {
	keys, values := make([][]byte, len(list)), make([][]byte, len(list))
	for i := range list {
		keys[i], values[i] = list[i].Key[:], list[i].Value[:]
	}
	found := make(map[store.IndexValue][]string, len(list))
	err := c.db.view(ctx, func(conn *pgxpool.Conn) error {
		clear(found)
		rows, err := conn.Query(ctx, c.db.sql.byIndex, scope[:], keys, values)
		if err != nil {
			return err
		}
		return eachRow(rows, func(rows pgx.Rows) error {
			var key, value []byte
			var token string
			if err := rows.Scan(&key, &value, &token); err != nil {
				return scanFailed(err)
			}
			var v store.IndexValue
			copy(v.Key[:], key)
			copy(v.Value[:], value)
			found[v] = append(found[v], token)
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	lists := make([][]string, len(list))
	for i := range list {
		tokens := slices.Clone(found[list[i]])
		slices.Sort(tokens)
		lists[i] = slices.Compact(tokens) // a value that was asked for twice
	}
	return lists, nil
}

// pieces reads one piece after the other with next, which returns how many rows
// it read, until there are no more or flush says so.
func (db *DB) pieces(ctx context.Context, next func(conn *pgxpool.Conn) (int, error), flush func() bool) error {
	for {
		n := 0
		err := db.view(ctx, func(conn *pgxpool.Conn) (err error) {
			n, err = next(conn)
			return err
		})
		if err != nil || !flush() || n < pieceRows {
			return err
		}
	}
}

// Ordered goes on after the last column and token of each piece.
func (c cards) Ordered(ctx context.Context, scope store.ScopeID, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if !isText(prefix) {
			return // no column begins with it
		}
		type entry struct{ ord, token string }
		var piece []entry
		var last *entry
		err := c.db.pieces(ctx, func(conn *pgxpool.Conn) (int, error) {
			piece = piece[:0]
			sql, args := c.db.sql.ordered, []any{scope[:], prefix, pieceRows}
			if last != nil {
				sql, args = c.db.sql.orderedFrom, []any{scope[:], last.ord, last.token, pieceRows}
			}
			rows, err := conn.Query(ctx, sql, args...)
			if err != nil {
				return 0, err
			}
			err = eachRow(rows, func(rows pgx.Rows) error {
				var e entry
				if err := rows.Scan(&e.ord, &e.token); err != nil {
					return scanFailed(err)
				}
				piece = append(piece, e)
				return nil
			})
			return len(piece), err
		}, func() bool {
			for i := range piece {
				// Byte for byte, those that begin with the prefix stand together.
				if len(piece[i].ord) < len(prefix) || piece[i].ord[:len(prefix)] != prefix || !yield(piece[i].ord, nil) {
					return false
				}
			}
			if len(piece) > 0 {
				e := piece[len(piece)-1]
				last = &e
			}
			return true
		})
		if err != nil {
			yield("", err)
		}
	}
}

// Scan goes on after the last token of each piece.
func (c cards) Scan(ctx context.Context, scope store.ScopeID, after string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		if !isText(after) {
			yield(store.Row{}, &store.InvalidError{Field: "after", Problem: notText})
			return
		}
		from := after
		var piece []store.Row
		err := c.db.pieces(ctx, func(conn *pgxpool.Conn) (int, error) {
			clear(piece)
			piece = piece[:0]
			rows, err := conn.Query(ctx, c.db.sql.scan, scope[:], from, pieceRows)
			if err != nil {
				return 0, err
			}
			err = eachRow(rows, func(rows pgx.Rows) error {
				row, err := scanRow(rows)
				piece = append(piece, row)
				return err
			})
			return len(piece), err
		}, func() bool {
			for i := range piece {
				if !yield(piece[i], nil) {
					return false
				}
			}
			if len(piece) > 0 {
				from = piece[len(piece)-1].Token
			}
			return true
		})
		if err != nil {
			yield(store.Row{}, err)
		}
	}
}

// CountByKey reads an index in which rows under the same data keys stand
// together: it looks for each set of keys there is, and counts the rows of those
// that hold the key. It reads no sealed value, and no statement of it runs longer
// than counting one set takes. A row that is written meanwhile counts as it was
// or as it is.
func (c cards) CountByKey(ctx context.Context, key envelope.KeyID) (total uint64, err error) {
	set := []byte{} // sorts first: rows without sealed values
	for {
		var under, rows uint64
		err := c.db.view(ctx, func(conn *pgxpool.Conn) error {
			var next []byte
			err := conn.QueryRow(ctx, c.db.sql.nextKeys, set).Scan(&next)
			if err != nil {
				return err
			}
			set = next
			return nil
		})
		if errors.Is(err, pgx.ErrNoRows) {
			return total, nil
		}
		if err != nil {
			return 0, err
		}
		if under, err = countUnder(set, key); err != nil {
			return 0, err
		}
		if under == 0 {
			continue
		}
		err = c.db.view(ctx, func(conn *pgxpool.Conn) error {
			return conn.QueryRow(ctx, c.db.sql.countKeys, set).Scan(&rows)
		})
		if err != nil {
			return 0, err
		}
		total += under * rows
	}
}
