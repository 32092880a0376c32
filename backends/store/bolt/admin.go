package bolt

import (
	"bytes"
	"context"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// The states of a fence as they are stored.
var (
	fenceOpen   = []byte{1}
	fenceClosed = []byte{2}
)

// OpenFence writes only if the key has no fence yet.
func (c cards) OpenFence(ctx context.Context, key envelope.KeyID) error {
	var known bool
	err := c.db.view(ctx, func(tx *bbolt.Tx) error {
		known = tx.Bucket(bucketFences).Get(key[:]) != nil
		return nil
	})
	if err != nil || known {
		return err
	}
	return c.db.update(ctx, func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketFences)
		if b.Get(key[:]) != nil {
			return nil
		}
		return b.Put(key[:], fenceOpen)
	})
}

// CloseFence is a transaction like any other: those before it committed, those
// after it see the fence closed.
func (c cards) CloseFence(ctx context.Context, key envelope.KeyID) error {
	return c.db.update(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketFences).Put(key[:], fenceClosed)
	})
}

// valueFormat is the first byte of a merchant and a job. Format 1 goes on with
// the scope, or with the state.
const valueFormat = 1

// body strips the format from a value.
func body(value []byte, what string) ([]byte, error) {
	switch {
	case len(value) == 0 || value[0] == 0:
		return nil, corrupt(what)
	case value[0] > valueFormat:
		return nil, newer(what)
	}
	return value[1:], nil
}

func (c cards) AssignMerchant(ctx context.Context, merchant string, scope store.ScopeID) error {
	if merchant == "" || len(merchant) > store.MaxName {
		return &store.InvalidError{Field: "merchant", Problem: "must have 1 to 255 bytes"}
	}
	return c.db.update(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketMerchants).Put([]byte(merchant), append([]byte{valueFormat}, scope[:]...))
	})
}

func (c cards) MerchantScope(ctx context.Context, merchant string) (scope store.ScopeID, err error) {
	err = c.db.view(ctx, func(tx *bbolt.Tx) error {
		value := tx.Bucket(bucketMerchants).Get([]byte(merchant))
		if value == nil {
			return store.ErrNotFound
		}
		b, err := body(value, "a merchant")
		if err != nil {
			return err
		}
		if len(b) != scopeSize {
			return corrupt("a merchant")
		}
		scope = store.ScopeID(b)
		return nil
	})
	return scope, err
}

func appendJob(state []byte) []byte { return append([]byte{valueFormat}, state...) }

func (c cards) Job(ctx context.Context, id store.JobID) (state []byte, err error) {
	err = c.db.view(ctx, func(tx *bbolt.Tx) error {
		value := tx.Bucket(bucketJobs).Get(id[:])
		if value == nil {
			return store.ErrNotFound
		}
		b, err := body(value, "a job")
		state = bytes.Clone(b)
		return err
	})
	return state, err
}

func (c cards) EndJob(ctx context.Context, id store.JobID) error {
	return c.db.update(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketJobs).Delete(id[:])
	})
}
