package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// codes is the store of security codes of a DB, with the fences of its cards.
type codes struct{ db *DB }

// CheckEphemeral says that a file is durable.
func (c codes) CheckEphemeral(context.Context) error {
	return fmt.Errorf("bolt: %w: the codes stand in the file, and in what was copied from it", store.ErrDurable)
}

func (c codes) OpenFence(ctx context.Context, key envelope.KeyID) error {
	return cards(c).OpenFence(ctx, key)
}

func (c codes) CloseFence(ctx context.Context, key envelope.KeyID) error {
	return cards(c).CloseFence(ctx, key)
}

// fenced says whether the record's key has no open fence.
func fenced(tx *bbolt.Tx, record []byte) error {
	key, _ := envelope.StoredKeyID(record)
	if !bytes.Equal(tx.Bucket(bucketFences).Get(key[:]), fenceOpen) {
		return store.ErrFenced
	}
	return nil
}

// getCode returns a code, or [store.ErrNotFound].
func getCode(tx *bbolt.Tx, id *store.CodeID) (store.Code, error) {
	b := tx.Bucket(bucketCodes)
	if b == nil { // there never was a code
		return store.Code{}, store.ErrNotFound
	}
	key := appendCodeKey(nil, id)
	value := b.Get(key)
	if value == nil {
		return store.Code{}, store.ErrNotFound
	}
	return decodeCode(key, value)
}

// saveCode stores a code that is new, or was changed in nothing that finds it.
func saveCode(tx *bbolt.Tx, c *store.Code) error {
	return tx.Bucket(bucketCodes).Put(appendCodeKey(nil, &c.ID), appendCode(nil, c))
}

// removeCode removes a code and what finds it.
func removeCode(tx *bbolt.Tx, c *store.Code) error {
	err := tx.Bucket(bucketCodes).Delete(appendCodeKey(nil, &c.ID))
	if err == nil {
		err = tx.Bucket(bucketCodeTokens).Delete(appendTokenKey(nil, c))
	}
	if err == nil && c.Expires != 0 {
		err = tx.Bucket(bucketCodeExpiry).Delete(appendExpiryKey(nil, c))
	}
	return err
}

// PutCodes is one transaction, and so one fsync.
func (c codes) PutCodes(ctx context.Context, list []store.Code) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	for i := range list {
		if err := store.CheckCode(&list[i]); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return nil
	}
	return c.db.update(ctx, func(tx *bbolt.Tx) error {
		for _, name := range codeBuckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		for i := range list {
			if err := putCode(tx, &list[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

func putCode(tx *bbolt.Tx, c *store.Code) error {
	if err := fenced(tx, c.Record); err != nil {
		return err
	}
	old, err := getCode(tx, &c.ID)
	if err == nil {
		err = removeCode(tx, &old)
	} else if errors.Is(err, store.ErrNotFound) {
		err = nil
	}
	if err == nil {
		err = saveCode(tx, c)
	}
	if err == nil {
		err = tx.Bucket(bucketCodeTokens).Put(appendTokenKey(nil, c), nil)
	}
	if err == nil && c.Expires != 0 {
		err = tx.Bucket(bucketCodeExpiry).Put(appendExpiryKey(nil, c), nil)
	}
	return err
}

// Code reads one code.
func (c codes) Code(ctx context.Context, id store.CodeID, now int64) (out store.Code, err error) {
	err = c.db.view(ctx, func(tx *bbolt.Tx) error {
		if out, err = getCode(tx, &id); err == nil && out.Expired(now) {
			err = store.ErrNotFound
		}
		return err
	})
	if err != nil {
		return store.Code{}, err
	}
	return out, nil
}

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
