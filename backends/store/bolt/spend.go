package bolt

import (
	"context"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/tokenize/store"
)

// spentKey names a spent message.
type spentKey [scopeSize + 32]byte

func makeSpentKey(scope *store.ScopeID, m *store.Spend) (k spentKey) {
	copy(k[:], scope[:])
	copy(k[scopeSize:], m.Digest[:])
	return k
}

// spentFormat is the first byte of a spent message. Format 1 goes on with the time
// it is remembered until (8).
const spentFormat = 1

func appendSpent(b []byte, until int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, spentFormat), uint64(until))
}

func decodeSpent(value []byte) (until int64, err error) {
	r := reader{b: value}
	if format := r.byte(); format > spentFormat {
		return 0, newer("a spent message")
	} else if format != spentFormat {
		return 0, corrupt("a spent message")
	}
	until = int64(r.uint64())
	if !r.end() {
		return 0, corrupt("a spent message")
	}
	return until, nil
}

// spentMargin is how long past its time, in milliseconds, a message stays
// remembered before a sweep may take it; as sweepMargin, but messages come from
// clocks that are known to be about right.
const spentMargin = 60 * 60 * 1000

// isSpent reports whether a message was spent and its time is not up.
func (s *stage) isSpent(scope *store.ScopeID, m *store.Spend) (bool, error) {
	key := makeSpentKey(scope, m)
	until, staged := s.spent[key]
	if !staged {
		b := s.tx.Bucket(bucketSpent)
		if b == nil {
			return false, nil
		}
		value := b.Get(key[:])
		if value == nil {
			return false, nil
		}
		var err error
		if until, err = decodeSpent(value); err != nil {
			return false, err
		}
	}
	return m.Now < until, nil
}

func (s *stage) spend(scope *store.ScopeID, m *store.Spend) {
	if s.spent == nil {
		s.spent = map[spentKey]int64{}
	}
	s.spent[makeSpentKey(scope, m)] = m.Until
}

// storeSpent puts the spent messages into the transaction.
func (s *stage) storeSpent(tx *bbolt.Tx) error {
	if len(s.spent) == 0 {
		return nil
	}
	b, err := tx.CreateBucketIfNotExists(bucketSpent)
	if err != nil {
		return err
	}
	list := make([]entry, 0, len(s.spent))
	for key, until := range s.spent {
		list = append(list, entry{key: key[:], value: appendSpent(nil, until)})
	}
	return fill(b, list)
}

// Spend spends the messages in one transaction and returns when it is on disk.
func (c cards) Spend(ctx context.Context, scope store.ScopeID, messages []store.Spend) (before []bool, err error) {
	err = c.db.update(ctx, func(tx *bbolt.Tx) error {
		s := &stage{tx: tx}
		before = make([]bool, len(messages))
		for i := range messages {
			m := &messages[i]
			if before[i], err = s.isSpent(&scope, m); err != nil {
				return err
			}
			if !before[i] {
				s.spend(&scope, m)
			}
		}
		if len(s.spent) == 0 {
			return nil
		}
		if err := s.storeSpent(tx); err != nil {
			return err
		}
		now := messages[len(messages)-1].Now
		c.db.sweptSpent, err = sweep(tx.Bucket(bucketSpent), c.db.sweptSpent, decodeSpent, now-spentMargin, len(s.spent))
		return err
	})
	if err != nil {
		return nil, err
	}
	return before, nil
}
