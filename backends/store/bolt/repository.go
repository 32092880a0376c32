package bolt

import (
	"bytes"
	"context"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// repositoryFormat is the first byte of a repository; its name is its key.
//
//	format 2: scope (16), version (8), epoch (8), configuration (text), state to
//	the end
//
//	format 1, still read: scope (16), configuration to the end
//
// Integers are big-endian, a text has its length (uvarint) before it.
const repositoryFormat = 2

func appendRepository(b []byte, r *store.Repository) []byte {
	b = append(append(b, repositoryFormat), r.Scope[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Version)
	b = binary.BigEndian.AppendUint64(b, r.Epoch)
	b = appendText(b, r.Config)
	return append(b, r.State...)
}

func decodeRepository(name, value []byte) (store.Repository, error) {
	r := reader{b: value}
	format := r.byte()
	if format > repositoryFormat {
		return store.Repository{}, newer("a repository")
	}
	out := store.Repository{Name: string(name), Version: 1}
	r.into(out.Scope[:])
	rest := &out.Config // of format 1
	if format == repositoryFormat {
		out.Version, out.Epoch = r.uint64(), r.uint64()
		out.Config = bytes.Clone(r.text())
		rest = &out.State
	}
	*rest = bytes.Clone(r.bytes(len(r.b)))
	if !r.end() || format == 0 || out.Version == 0 {
		return store.Repository{}, corrupt("a repository")
	}
	return out, nil
}

// CreateRepository refuses a scope that belongs to a repository of another name
// with an [store.InvalidError].
func (c cards) CreateRepository(ctx context.Context, r store.Repository) (stored store.Repository, err error) {
	if r.Name == "" || len(r.Name) > store.MaxName {
		return store.Repository{}, &store.InvalidError{Field: "Repository.Name", Problem: "must have 1 to 255 bytes"}
	}
	err = c.db.update(ctx, func(tx *bbolt.Tx) (err error) {
		b := tx.Bucket(bucketRepositories)
		if value := b.Get([]byte(r.Name)); value != nil {
			stored, err = decodeRepository([]byte(r.Name), value)
			return err
		}
		if _, found, err := repositoryOf(tx, r.Scope); err != nil {
			return err
		} else if found {
			return &store.InvalidError{Field: "Repository.Scope", Problem: "belongs to another repository"}
		}
		r.Version = 1
		stored, err = putRepository(tx, &r)
		return err
	})
	if err != nil {
		return store.Repository{}, err
	}
	return stored, nil
}

// UpdateRepository is a transaction like any other: writes before it committed,
// those after it see the new epoch.
func (c cards) UpdateRepository(ctx context.Context, r store.Repository, needs ...envelope.KeyID) error {
	return c.db.update(ctx, func(tx *bbolt.Tx) error {
		old, found, err := repositoryOf(tx, r.Scope)
		switch {
		case err != nil:
			return err
		case !found:
			return store.ErrNotFound
		case old.Version != r.Version:
			return store.ErrConflict
		case r.Epoch < old.Epoch:
			return &store.InvalidError{Field: "Repository.Epoch", Problem: "must not fall"}
		}
		for _, key := range needs {
			if !bytes.Equal(tx.Bucket(bucketFences).Get(key[:]), fenceOpen) {
				return store.ErrFenced
			}
		}
		old.Version, old.Epoch, old.State = old.Version+1, r.Epoch, r.State
		_, err = putRepository(tx, &old)
		return err
	})
}

// putRepository stores r and returns it as it will be read.
func putRepository(tx *bbolt.Tx, r *store.Repository) (store.Repository, error) {
	value := appendRepository(nil, r)
	if err := tx.Bucket(bucketRepositories).Put([]byte(r.Name), value); err != nil {
		return store.Repository{}, err
	}
	return decodeRepository([]byte(r.Name), value)
}

// repositoryOf finds the repository that has a scope; there are few.
func repositoryOf(tx *bbolt.Tx, scope store.ScopeID) (r store.Repository, found bool, err error) {
	c := tx.Bucket(bucketRepositories).Cursor()
	for name, value := c.First(); name != nil; name, value = c.Next() {
		if len(value) > scopeSize && store.ScopeID(value[1:]) != scope {
			continue
		}
		r, err = decodeRepository(name, value)
		return r, err == nil, err
	}
	return store.Repository{}, false, nil
}

func (c cards) Repositories(ctx context.Context) (list []store.Repository, err error) {
	err = c.db.view(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketRepositories).ForEach(func(name, value []byte) error {
			r, err := decodeRepository(name, value)
			list = append(list, r)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}
