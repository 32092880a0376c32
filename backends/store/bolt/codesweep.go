package bolt

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"math"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// EraseCode writes nothing where the code is not there.
func (c codes) EraseCode(ctx context.Context, id store.CodeID) error {
	err := c.db.update(ctx, func(tx *bbolt.Tx) error {
		code, err := getCode(tx, &id)
		if err != nil {
			return err
		}
		return removeCode(tx, &code)
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// EraseToken is one transaction, whatever their number.
func (c codes) EraseToken(ctx context.Context, scope store.ScopeID, token string) error {
	if err := c.db.ready(ctx); err != nil || len(token) > store.MaxName {
		return err
	}
	prefix := appendTokenPrefix(nil, &scope, token)
	_, err := c.remove(ctx, bucketCodeTokens, math.MaxInt, func(k []byte) (key []byte, ok bool) {
		if !bytes.HasPrefix(k, prefix) {
			return nil, false
		}
		return append(scope[:], k[len(prefix):]...), true
	}, prefix)
	return err
}

// SweepCodes removes those first whose time was up first, in one transaction.
func (c codes) SweepCodes(ctx context.Context, now int64, limit int) (int, error) {
	last := appendExpiry(nil, now)
	return c.remove(ctx, bucketCodeExpiry, limit, func(k []byte) (key []byte, ok bool) {
		if len(k) < len(last) || bytes.Compare(k[:len(last)], last) > 0 {
			return nil, false
		}
		return bytes.Clone(k[len(last):]), true
	}, nil)
}

// remove removes the codes that entries of an index name, beginning at from and as
// long as named says so, at most limit. It writes nothing where there are none.
func (c codes) remove(ctx context.Context, index []byte, limit int, named func(k []byte) (key []byte, ok bool), from []byte) (n int, err error) {
	err = c.db.update(ctx, func(tx *bbolt.Tx) error {
		if tx.Bucket(index) == nil {
			return errUnchanged // there never was a code
		}
		var list [][]byte
		cursor := tx.Bucket(index).Cursor()
		for k, _ := cursor.Seek(from); k != nil && len(list) < limit; k, _ = cursor.Next() {
			key, ok := named(k)
			if !ok {
				break
			}
			list = append(list, key)
		}
		for _, key := range list {
			value := tx.Bucket(bucketCodes).Get(key)
			if value == nil {
				return corrupt("an index of security codes")
			}
			code, err := decodeCode(key, value)
			if err == nil {
				err = removeCode(tx, &code)
			}
			if err != nil {
				return err
			}
		}
		if n = len(list); n == 0 {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, errUnchanged) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return n, nil
}

// each calls read with one code of a scope, or of all, after the other, in pieces of one
// transaction each, and flush between them.
func (c codes) each(ctx context.Context, scope store.ScopeID, read func(key, value []byte) error, flush func() bool) error {
	none := false
	err := c.db.view(ctx, func(tx *bbolt.Tx) error {
		none = tx.Bucket(bucketCodes) == nil // there never was a code
		return nil
	})
	if err != nil || none {
		return err
	}
	from, prefix := scope[:], scope[:]
	if scope == (store.ScopeID{}) {
		from, prefix = []byte{0}, nil // sorts before every key: they are longer
	}
	return c.db.pieces(ctx, bucketCodes, from, prefix, read, flush)
}

// ScanCodes reads codes in the order of their IDs.
func (c codes) ScanCodes(ctx context.Context, scope store.ScopeID) iter.Seq2[store.Code, error] {
	return func(yield func(store.Code, error) bool) {
		var piece []store.Code
		err := c.each(ctx, scope, func(key, value []byte) error {
			code, err := decodeCode(key, value)
			piece = append(piece, code)
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
			yield(store.Code{}, err)
		}
	}
}

// CountCodes reads all codes, in pieces, as CountByKey does with rows.
func (c codes) CountCodes(ctx context.Context, key envelope.KeyID) (n uint64, err error) {
	err = c.each(ctx, store.ScopeID{}, func(k, value []byte) error {
		code, err := decodeCode(k, value)
		if id, ok := envelope.StoredKeyID(code.Record); ok && id == key {
			n++
		}
		return err
	}, func() bool { return true })
	if err != nil {
		return 0, err
	}
	return n, nil
}
