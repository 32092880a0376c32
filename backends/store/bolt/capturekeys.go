package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// captureKeys is the store of capture keys of a DB.
type captureKeys struct{ db *DB }

// captureKeyFormat is the first byte of a capture key. Format 1 goes on with the
// times of its making and its end (varint, Unix seconds) and the sealed key.
const captureKeyFormat = 1

func appendCaptureKey(b []byte, k *store.CaptureKey) []byte {
	b = append(b, captureKeyFormat)
	b = binary.AppendVarint(b, k.Created.Unix())
	b = binary.AppendVarint(b, k.Retires.Unix())
	return append(b, k.Sealed...)
}

// decodeCaptureKey fills in what the value says. Sealed is part of the value.
func decodeCaptureKey(k *store.CaptureKey, value []byte) error {
	r := reader{b: value}
	if format := r.byte(); format > captureKeyFormat {
		return newer("a capture key")
	} else if format != captureKeyFormat {
		return corrupt("a capture key")
	}
	k.Created = time.Unix(r.varint(), 0).UTC()
	k.Retires = time.Unix(r.varint(), 0).UTC()
	if k.Sealed = r.b; r.failed {
		return corrupt("a capture key")
	}
	return nil
}

// captureKeyPrefix is a key's name up to its alias, or to its scope where the alias
// is empty.
func captureKeyPrefix(scope, alias string) []byte {
	b := appendText(nil, scope)
	if alias != "" {
		b = appendText(b, alias)
	}
	return b
}

// Put writes in one transaction and returns when it is on disk.
func (c captureKeys) Put(ctx context.Context, k store.CaptureKey, was []byte) error {
	if err := store.CheckCaptureKey(&k); err != nil {
		return err
	}
	name := append(captureKeyPrefix(k.Scope, k.Alias), k.ID[:]...)
	return c.db.update(ctx, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(bucketCaptureKeys)
		if err != nil {
			return err
		}
		var old store.CaptureKey
		value := b.Get(name)
		if value != nil {
			if err := decodeCaptureKey(&old, value); err != nil {
				return err
			}
		}
		if (value != nil) != (was != nil) || !bytes.Equal(old.Sealed, was) {
			return store.ErrConflict
		}
		if err := enterFence(tx, k.Sealed); err != nil {
			return err
		}
		return b.Put(name, appendCaptureKey(nil, &k))
	})
}

// enterFence opens the fence of the data key that a record is sealed under, or is
// refused where it was closed.
func enterFence(tx *bbolt.Tx, sealed []byte) error {
	id, ok := envelope.StoredKeyID(sealed)
	if !ok {
		return nil
	}
	fences := tx.Bucket(bucketFences)
	switch state := fences.Get(id[:]); {
	case state == nil:
		return fences.Put(id[:], fenceOpen)
	case !bytes.Equal(state, fenceOpen):
		return store.ErrFenced
	}
	return nil
}

func (c captureKeys) Get(ctx context.Context, scope, alias string, id capture.KeyID) (store.CaptureKey, error) {
	k := store.CaptureKey{Scope: scope, Alias: alias, ID: id}
	err := c.db.view(ctx, func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketCaptureKeys)
		if b == nil || scope == "" || alias == "" {
			return store.ErrNotFound
		}
		value := b.Get(append(captureKeyPrefix(scope, alias), id[:]...))
		if value == nil {
			return store.ErrNotFound
		}
		err := decodeCaptureKey(&k, value)
		k.Sealed = bytes.Clone(k.Sealed)
		return err
	})
	if err != nil {
		return store.CaptureKey{}, err
	}
	return k, nil
}

// List reads in one transaction.
func (c captureKeys) List(ctx context.Context, scope, alias string) (all []store.CaptureKey, err error) {
	err = c.each(ctx, captureKeyPrefix(scope, alias), func(k *store.CaptureKey) {
		k.Sealed = bytes.Clone(k.Sealed)
		all = append(all, *k)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// CountByKey reads all of them.
func (c captureKeys) CountByKey(ctx context.Context, key envelope.KeyID) (n uint64, err error) {
	err = c.each(ctx, nil, func(k *store.CaptureKey) {
		if id, ok := envelope.StoredKeyID(k.Sealed); ok && id == key {
			n++
		}
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// each hands the keys whose names begin with prefix to f, in one transaction, to
// whose memory Sealed belongs.
func (c captureKeys) each(ctx context.Context, prefix []byte, f func(k *store.CaptureKey)) error {
	return c.db.view(ctx, func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketCaptureKeys)
		if b == nil {
			return nil
		}
		cursor := b.Cursor()
		for name, value := cursor.Seek(prefix); bytes.HasPrefix(name, prefix) && name != nil; name, value = cursor.Next() {
			r := reader{b: name}
			k := store.CaptureKey{Scope: string(r.text()), Alias: string(r.text())}
			r.into(k.ID[:])
			if !r.end() {
				return corrupt("a capture key")
			}
			if err := decodeCaptureKey(&k, value); err != nil {
				return err
			}
			f(&k)
		}
		return nil
	})
}
