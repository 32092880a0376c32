package bolt

import (
	"bytes"
	"cmp"
	"context"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// keyStore is the key store of a DB.
type keyStore struct{ db *DB }

// Get returns a record, which is the caller's own.
func (k keyStore) Get(ctx context.Context, id keys.KeyID) (r keys.Record, err error) {
	err = k.db.view(ctx, func(tx *bbolt.Tx) error {
		r, err = getRecord(tx, id)
		return err
	})
	if err != nil {
		return keys.Record{}, keyError(err)
	}
	return r, nil
}

func getRecord(tx *bbolt.Tx, id keys.KeyID) (keys.Record, error) {
	value := tx.Bucket(bucketKeys).Get(id[:])
	if value == nil {
		return keys.Record{}, keys.ErrNotFound
	}
	return decodeRecord(id, value)
}

// List reads the ring in one transaction.
func (k keyStore) List(ctx context.Context, id keys.RingID) (list []keys.Record, version uint64, err error) {
	err = k.db.view(ctx, func(tx *bbolt.Tx) error {
		r, err := getRing(tx, &id)
		if err != nil {
			return err
		}
		version = r.version
		for _, key := range r.ids {
			record, err := getRecord(tx, key)
			if err != nil || record.Ring != id {
				return corrupt("a ring") // what it names is not there
			}
			list = append(list, record)
		}
		return nil
	})
	if err != nil {
		return nil, 0, keyError(err)
	}
	slices.SortFunc(list, func(a, b keys.Record) int {
		return cmp.Or(a.Created.Compare(b.Created), bytes.Compare(a.ID[:], b.ID[:]))
	})
	return list, version, nil
}

func getRing(tx *bbolt.Tx, id *keys.RingID) (ring, error) {
	value := tx.Bucket(bucketRings).Get(ringKey(id))
	if value == nil {
		return ring{}, nil
	}
	return decodeRing(id, value)
}

// CompareAndSwap puts the records if the ring's version is the one given, and
// returns when they are on disk. A record that cannot be stored is an
// [store.InvalidError].
func (k keyStore) CompareAndSwap(ctx context.Context, id keys.RingID, version uint64, put []keys.Record) error {
	for i := range put {
		if err := checkRecord(&put[i], id, put[:i]); err != nil {
			return err
		}
	}
	return keyError(k.db.update(ctx, func(tx *bbolt.Tx) error {
		r, err := getRing(tx, &id)
		if err != nil {
			return err
		}
		if r.version != version {
			return keys.ErrConflict
		}
		records := tx.Bucket(bucketKeys)
		for i := range put {
			rec := &put[i]
			if value := records.Get(rec.ID[:]); value == nil {
				r.ids = append(r.ids, rec.ID)
			} else if known, err := decodeRecord(rec.ID, value); err != nil {
				return err
			} else if known.Ring != id {
				return &store.InvalidError{Field: "Record.ID", Problem: "belongs to another ring"}
			}
			if err := records.Put(rec.ID[:], appendRecord(nil, rec)); err != nil {
				return err
			}
		}
		r.version++
		return tx.Bucket(bucketRings).Put(ringKey(&id), appendRing(nil, &id, &r))
	}))
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
	}
	return nil
}
