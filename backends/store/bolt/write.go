package bolt

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/tokenize/store"
)

// errRefused ends a transaction whose outcomes are not all Written.
var errRefused = errors.New("bolt: write refused")

// Write applies the writes in one transaction and returns when it is on disk.
//
// Where several outcomes fit one write it is the first of Outdated, Replayed,
// Spent, Stale, CardExists, TokenTaken, Fenced.
func (c cards) Write(ctx context.Context, writes []store.Write, job *store.Job) ([]store.Outcome, error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	for i := range writes {
		if err := store.Check(&writes[i]); err != nil {
			return nil, err
		}
	}
	out := make([]store.Outcome, len(writes))
	if len(writes) == 0 && job == nil {
		return out, nil
	}
	err := c.db.update(ctx, func(tx *bbolt.Tx) (err error) {
		s := newStage(tx, writes)
		refused := false
		for i := range writes {
			if out[i], err = s.add(&writes[i]); err != nil {
				return err
			}
			refused = refused || out[i].Result != store.Written
		}
		if refused {
			return errRefused
		}
		if err := s.store(tx); err != nil {
			return err
		}
		if err := c.db.forget(tx, writes); err != nil {
			return err
		}
		if job != nil {
			return tx.Bucket(bucketJobs).Put(job.ID[:], appendJob(job.State))
		}
		return nil
	})
	switch {
	case errors.Is(err, errRefused):
		return out, nil
	case err != nil:
		return nil, err
	}
	return out, nil
}

// forget sweeps remembered calls and spent messages when the writes add some.
func (db *DB) forget(tx *bbolt.Tx, writes []store.Write) (err error) {
	var calls, spent int
	var callsNow, spentNow int64
	for i := range writes {
		if once := writes[i].Once; once != nil {
			calls, callsNow = calls+1, once.Now
		}
		if spend := writes[i].Spend; spend != nil {
			spent, spentNow = spent+1, spend.Now
		}
	}
	if calls > 0 {
		if db.swept, err = sweep(tx.Bucket(bucketOnce), db.swept, callUntil, callsNow-sweepMargin, calls); err != nil {
			return err
		}
	}
	if spent > 0 {
		db.sweptSpent, err = sweep(tx.Bucket(bucketSpent), db.sweptSpent, decodeSpent, spentNow-spentMargin, spent)
	}
	return err
}

// entry is a key to be put, or deleted where it is gone.
type entry struct {
	key, value []byte
	gone       bool
}

// fill puts entries into a bucket in the order of their keys, so that each page
// is visited once.
func fill(b *bbolt.Bucket, entries []entry) error {
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	for i := range entries {
		var err error
		if e := &entries[i]; e.gone {
			err = b.Delete(e.key)
		} else {
			err = b.Put(e.key, e.value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// store puts what was staged into the transaction. bolt copies keys and keeps
// values until the commit, so both may lie in one slab each.
func (s *stage) store(tx *bbolt.Tx) error {
	cards := make([]entry, 0, len(s.rows))
	index := make([]entry, 0, len(s.rows))
	var order []entry
	var keys, values slab
	for i := range s.rows {
		staged := &s.rows[i]
		row := *staged.row
		row.Version, row.Order = staged.new.version, staged.new.order
		if row.Status == store.Deleted {
			row.Index = nil
		}
		cards = append(cards, entry{
			key:   keys.cut(appendCardKey(keys.b, &row.Scope, row.Token)),
			value: values.cut(appendRow(values.b, &row)),
		})
		var old store.Row
		if staged.old != nil {
			var err error
			if old, err = decodeRow(row.Scope, []byte(row.Token), staged.old); err != nil {
				return err
			}
		}
		index = keys.diffIndex(index, &old, &row)
		order = keys.diffOrder(order, &old, &row)
	}
	calls := make([]entry, 0, len(s.calls))
	for key, c := range s.calls {
		calls = append(calls, entry{key: keys.cut(append(keys.b, key[:]...)), value: values.cut(appendCall(values.b, &c))})
	}
	for _, f := range []struct {
		bucket  *bbolt.Bucket
		entries []entry
	}{{s.cards, cards}, {s.index, index}, {tx.Bucket(bucketOrder), order}, {s.once, calls}} {
		if err := fill(f.bucket, f.entries); err != nil {
			return err
		}
	}
	return s.storeSpent(tx)
}

// slab is memory that many keys or values are cut from.
type slab struct{ b []byte }

const slabSize = 64 << 10

// cut takes what was appended to s.b and returns it.
func (s *slab) cut(appended []byte) []byte {
	piece := appended[len(s.b):len(appended):len(appended)]
	if s.b = appended; len(s.b) > slabSize {
		s.b = nil
	}
	return piece
}

// diffIndex appends what changes in the index between two states of a row.
func (s *slab) diffIndex(dst []entry, old, row *store.Row) []entry {
	for i := range old.Index {
		if !slices.Contains(row.Index, old.Index[i]) {
			dst = append(dst, entry{key: s.indexKey(row, &old.Index[i]), gone: true})
		}
	}
	for i := range row.Index {
		if !slices.Contains(old.Index, row.Index[i]) {
			dst = append(dst, entry{key: s.indexKey(row, &row.Index[i])})
		}
	}
	return dst
}

func (s *slab) indexKey(row *store.Row, v *store.IndexValue) []byte {
	p := makeIndexPrefix(&row.Scope, v)
	return s.cut(append(append(s.b, p[:]...), row.Token...))
}

// diffOrder appends what changes in the ordered column.
func (s *slab) diffOrder(dst []entry, old, row *store.Row) []entry {
	if old.Order == row.Order {
		return dst
	}
	if old.Order != "" {
		dst = append(dst, entry{key: s.cut(appendOrderKey(s.b, &row.Scope, old.Order, row.Token)), gone: true})
	}
	if row.Order != "" {
		dst = append(dst, entry{key: s.cut(appendOrderKey(s.b, &row.Scope, row.Order, row.Token))})
	}
	return dst
}
