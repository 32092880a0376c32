package bolt

import (
	"bytes"
	"encoding/binary"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/tokenize/store"
)

// call is a call remembered for its repetition.
type call struct {
	token string
	input [32]byte
	until int64 // Unix milliseconds
}

// callFormat is the first byte of a remembered call. Format 1 goes on with the
// time it is remembered until (8), the digest of the input (32) and the token.
const callFormat = 1

func appendCall(b []byte, c *call) []byte {
	b = append(b, callFormat)
	b = binary.BigEndian.AppendUint64(b, uint64(c.until))
	b = append(b, c.input[:]...)
	return append(b, c.token...)
}

func decodeCall(value []byte) (c call, err error) {
	r := reader{b: value}
	if format := r.byte(); format > callFormat {
		return call{}, newer("a remembered call")
	} else if format != callFormat {
		return call{}, corrupt("a remembered call")
	}
	c.until = int64(r.uint64())
	r.into(c.input[:])
	c.token = string(r.b)
	if r.failed || c.token == "" || len(c.token) > store.MaxName {
		return call{}, corrupt("a remembered call")
	}
	return c, nil
}

// recall returns what is remembered of the write's call, if its time is not up
// and its token is not a tombstone.
func (s *stage) recall(w *store.Write) (c call, known bool, err error) {
	key := makeOnceKey(&w.Row.Scope, w.Once)
	c, known = s.calls[key]
	if !known {
		value := s.once.Get(key[:])
		if value == nil {
			return call{}, false, nil
		}
		if c, err = decodeCall(value); err != nil {
			return call{}, false, err
		}
	}
	if w.Once.Now >= c.until {
		return call{}, false, nil
	}
	h, _, _, err := s.current(rowName{w.Row.Scope, c.token})
	if err != nil || h.version == 0 || h.status == store.Deleted {
		return call{}, false, err
	}
	return c, true, nil
}

// sweepMargin is how long past its time, in milliseconds, a call stays
// remembered before a sweep may take it: the clock that sweeps may be ahead of
// the clock of the caller who asks again.
const sweepMargin = 24 * 60 * 60 * 1000

func callUntil(value []byte) (int64, error) {
	c, err := decodeCall(value)
	return c.until, err
}

// sweep looks at the next entries, two for each that the call at hand adds, and
// forgets those whose time was up by then; so the bucket stays in proportion to
// what is remembered. It returns where the next sweep begins.
func sweep(b *bbolt.Bucket, from []byte, untilOf func([]byte) (int64, error), then int64, added int) (next []byte, err error) {
	var stale [][]byte
	c := b.Cursor()
	k, v := c.Seek(from)
	for range 2 * added {
		if k == nil {
			break // the next one begins at the front
		}
		until, err := untilOf(v)
		if err != nil {
			return nil, err
		}
		if then >= until {
			stale = append(stale, bytes.Clone(k))
		}
		k, v = c.Next()
	}
	next = bytes.Clone(k)
	for _, key := range stale {
		if err := b.Delete(key); err != nil {
			return nil, err
		}
	}
	return next, nil
}
