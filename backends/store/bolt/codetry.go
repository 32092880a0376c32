package bolt

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/tokenize/store"
)

// errUnchanged ends a transaction that has nothing to write.
var errUnchanged = errors.New("bolt: nothing to write")

// change runs f on a code, whatever its time, in the write transaction and stores what
// f makes of it. Where f ends with errUnchanged nothing is written, which costs no
// fsync.
func (c codes) change(ctx context.Context, id *store.CodeID, f func(code *store.Code) error) error {
	err := c.db.update(ctx, func(tx *bbolt.Tx) error {
		code, err := getCode(tx, id)
		if err != nil {
			return err
		}
		if err := f(&code); err != nil {
			return err
		}
		return saveCode(tx, &code)
	})
	if errors.Is(err, errUnchanged) {
		return nil
	}
	return err
}

// ReadCode writes nothing where a code may be read as often as is asked.
func (c codes) ReadCode(ctx context.Context, id store.CodeID, now int64) (out store.Code, err error) {
	err = c.db.update(ctx, func(tx *bbolt.Tx) error {
		code, err := getCode(tx, &id)
		if err == nil && code.Expired(now) {
			err = store.ErrNotFound
		}
		if err != nil {
			return err
		}
		out = code
		switch code.Reads {
		case 0:
			return errUnchanged
		case 1:
			return removeCode(tx, &code)
		}
		code.Reads--
		return saveCode(tx, &code)
	})
	if err != nil && !errors.Is(err, errUnchanged) {
		return store.Code{}, err
	}
	return out, nil
}

// Attempt returns when the number is on disk. What is refused and changes nothing is
// not written.
func (c codes) Attempt(ctx context.Context, id store.CodeID, counter uint16, l store.TryLimits, now int64) (a store.Attempt, err error) {
	if err := c.db.ready(ctx); err != nil {
		return store.Attempt{}, err
	}
	if err := store.CheckLimits(l); err != nil {
		return store.Attempt{}, err
	}
	err = c.change(ctx, &id, func(code *store.Code) error {
		if code.Expired(now) {
			return store.ErrNotFound
		}
		blocked := slices.ContainsFunc(code.Counters, func(n store.TryCounter) bool { return n.ID == counter && n.Blocked })
		if a = code.Try(counter, l); blocked || a.Result == store.TryCapped {
			return errUnchanged
		}
		return nil
	})
	if err != nil {
		return store.Attempt{}, err
	}
	return a, nil
}

// Settle writes nothing where a wrong attempt does not block.
func (c codes) Settle(ctx context.Context, id store.CodeID, a store.Attempt, right bool, l store.TryLimits) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckSettle(&a, l); err != nil {
		return err
	}
	err := c.change(ctx, &id, func(code *store.Code) error {
		if !code.Settle(&a, right, l) {
			return errUnchanged
		}
		return nil
	})
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// ResetTries is one transaction.
func (c codes) ResetTries(ctx context.Context, id store.CodeID, counters []uint16, unblock bool, l store.TryLimits, now int64) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckLimits(l); err != nil {
		return err
	}
	return c.change(ctx, &id, func(code *store.Code) error {
		if code.Expired(now) {
			return store.ErrNotFound
		}
		code.Reset(counters, unblock, l)
		return nil
	})
}

// ReplaceRecord is one transaction.
func (c codes) ReplaceRecord(ctx context.Context, old store.Code, record []byte) error {
	if err := c.db.ready(ctx); err != nil {
		return err
	}
	if err := store.CheckRecord(record); err != nil {
		return err
	}
	return c.db.update(ctx, func(tx *bbolt.Tx) error {
		if err := fenced(tx, record); err != nil {
			return err
		}
		code, err := getCode(tx, &old.ID)
		if errors.Is(err, store.ErrNotFound) || err == nil && (code.RecordID != old.RecordID || !bytes.Equal(code.Record, old.Record)) {
			return store.ErrConflict
		}
		if err != nil {
			return err
		}
		code.Record = record
		return saveCode(tx, &code)
	})
}
