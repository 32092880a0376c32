package postgres

import (
	"context"
	"iter"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// EraseCode deletes the row.
func (c codes) EraseCode(ctx context.Context, id store.CodeID) error {
	if !isText(id.Owner) {
		return c.db.ready(ctx)
	}
	return c.db.exec(ctx, c.db.codeSQL.erase, codeArgs(&id)...)
}

// EraseToken deletes rows by an index.
func (c codes) EraseToken(ctx context.Context, scope store.ScopeID, token string) error {
	if !isText(token) {
		return c.db.ready(ctx)
	}
	return c.db.exec(ctx, c.db.codeSQL.eraseToken, scope[:], token)
}

// SweepCodes leaves out rows that another transaction holds: another sweep, which
// removes them, or a call that the next sweep will be after.
func (c codes) SweepCodes(ctx context.Context, now int64, limit int) (n int, err error) {
	if limit <= 0 {
		return 0, c.db.ready(ctx)
	}
	err = c.db.repeatable(c.db.single(ctx, func(conn *pgxpool.Conn) error {
		tag, err := conn.Exec(ctx, c.db.codeSQL.sweep, now, limit)
		n = int(tag.RowsAffected())
		return err
	}))
	if err != nil {
		return 0, err
	}
	return n, nil
}

// ScanCodes goes on after the last code of each piece, in the order of their IDs.
func (c codes) ScanCodes(ctx context.Context, scope store.ScopeID) iter.Seq2[store.Code, error] {
	return func(yield func(store.Code, error) bool) {
		// What sorts before every code.
		sql, after := c.db.codeSQL.scan, []any{scope[:], int16(-1), "", []byte{}}
		if scope == (store.ScopeID{}) {
			sql, after[0] = c.db.codeSQL.scanAll, []byte{}
		}
		var piece []store.Code
		err := c.db.pieces(ctx, func(conn *pgxpool.Conn) (int, error) {
			piece = piece[:0]
			rows, err := conn.Query(ctx, sql, append(slices.Clone(after), pieceRows)...)
			if err != nil {
				return 0, err
			}
			err = eachRow(rows, func(rows pgx.Rows) error {
				code, err := scanCode(rows)
				piece = append(piece, code)
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
				after = codeArgs(&piece[len(piece)-1].ID)
			}
			return true
		})
		if err != nil {
			yield(store.Code{}, err)
		}
	}
}

// CountCodes reads an index in which codes under the same data key stand together.
func (c codes) CountCodes(ctx context.Context, key envelope.KeyID) (n uint64, err error) {
	err = c.db.view(ctx, func(conn *pgxpool.Conn) error {
		return conn.QueryRow(ctx, c.db.codeSQL.count, key[:]).Scan(&n)
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}
