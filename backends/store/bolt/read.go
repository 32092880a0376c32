package bolt

import (
	"bytes"
	"context"
	"iter"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// cards is the card store of a DB.
type cards struct{ db *DB }

// A read transaction keeps pages from being used again and the file's mapping
// from growing, so what may be long is read in pieces, each in its own
// transaction, and the caller is called between them.
const (
	chunkRows  = 1000
	chunkBytes = 4 << 20
)

// Get reads all tokens in one transaction.
func (c cards) Get(ctx context.Context, scope store.ScopeID, tokens []string) ([]store.Row, error) {
	rows := make([]store.Row, len(tokens))
	err := c.db.view(ctx, func(tx *bbolt.Tx) (err error) {
		b := tx.Bucket(bucketCards)
		var key []byte
		for i, token := range tokens {
			if token == "" || len(token) > store.MaxName {
				continue // no token that was ever stored
			}
			key = appendCardKey(key[:0], &scope, token)
			if value := b.Get(key); value != nil {
				if rows[i], err = decodeRow(scope, key[scopeSize:], value); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// ByIndex reads all values in one transaction.
func (c cards) ByIndex(ctx context.Context, scope store.ScopeID, values []store.IndexValue) ([][]string, error) {
	lists := make([][]string, len(values))
	err := c.db.view(ctx, func(tx *bbolt.Tx) error {
		cursor := tx.Bucket(bucketIndex).Cursor()
		for i := range values {
			p := makeIndexPrefix(&scope, &values[i])
			for k, _ := cursor.Seek(p[:]); bytes.HasPrefix(k, p[:]); k, _ = cursor.Next() {
				lists[i] = append(lists[i], string(k[len(p):]))
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return lists, nil
}

// pieces calls read with one entry of a bucket after the other, in the order of
// their keys, beginning at the first key not less than from and ending where
// keys no longer begin with prefix. After each piece, outside the transaction,
// it calls flush, which says whether to go on.
func (db *DB) pieces(ctx context.Context, bucket, from, prefix []byte, read func(k, v []byte) error, flush func() bool) error {
	for from != nil {
		err := db.view(ctx, func(tx *bbolt.Tx) error {
			c := tx.Bucket(bucket).Cursor()
			rows, size := 0, 0
			for k, v := c.Seek(from); bytes.HasPrefix(k, prefix) && k != nil; k, v = c.Next() {
				if rows == chunkRows || size > chunkBytes {
					from = bytes.Clone(k)
					return nil
				}
				if err := read(k, v); err != nil {
					return err
				}
				rows, size = rows+1, size+len(k)+len(v)
			}
			from = nil
			return nil
		})
		if err != nil {
			return err
		}
		if !flush() {
			return nil
		}
	}
	return nil
}

// Ordered reads the column in pieces of one transaction each.
func (c cards) Ordered(ctx context.Context, scope store.ScopeID, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		var piece []string
		start := appendOrderPrefix(nil, &scope, prefix)
		err := c.db.pieces(ctx, bucketOrder, start, start, func(k, _ []byte) error {
			order, err := orderOf(k[scopeSize:])
			piece = append(piece, order)
			return err
		}, func() bool {
			for _, order := range piece {
				if !yield(order, nil) {
					return false
				}
			}
			piece = piece[:0]
			return true
		})
		if err != nil {
			yield("", err)
		}
	}
}

// Scan reads rows in pieces of one transaction each.
func (c cards) Scan(ctx context.Context, scope store.ScopeID, after string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		var piece []store.Row
		// The next key there could be is this one and a zero byte.
		start := append(appendCardKey(nil, &scope, after), 0)
		if after == "" {
			start = start[:scopeSize]
		}
		err := c.db.pieces(ctx, bucketCards, start, scope[:], func(k, v []byte) error {
			row, err := decodeRow(scope, k[scopeSize:], v)
			piece = append(piece, row)
			return err
		}, func() bool {
			for i := range piece {
				if !yield(piece[i], nil) {
					return false
				}
			}
			clear(piece)
			piece = piece[:0]
			return true
		})
		if err != nil {
			yield(store.Row{}, err)
		}
	}
}

// CountByKey reads all rows of all scopes, in pieces: a row that is written
// meanwhile counts as it was or as it is.
func (c cards) CountByKey(ctx context.Context, key envelope.KeyID) (n uint64, err error) {
	// One zero byte sorts before every key: they are longer.
	err = c.db.pieces(ctx, bucketCards, []byte{0}, nil, func(_, v []byte) error {
		sealed, err := sealedUnder(v, key)
		n += sealed
		return err
	}, func() bool { return true })
	if err != nil {
		return 0, err
	}
	return n, nil
}
