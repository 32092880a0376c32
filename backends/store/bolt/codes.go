package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"

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
