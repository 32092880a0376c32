package memory

import (
	"context"
	"fmt"
	"iter"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// PutCodes is all or none by looking before it stores.
func (c *Codes) PutCodes(ctx context.Context, codes []store.Code) error {
	for i := range codes {
		if err := store.CheckCode(&codes[i]); err != nil {
			return err
		}
	}
	return c.do(ctx, func() error {
		added := map[store.CodeID]bool{}
		for i := range codes {
			if err := c.open(codes[i].Record); err != nil {
				return err
			}
			if c.codes[codes[i].ID] == nil {
				added[codes[i].ID] = true
			}
		}
		if len(c.codes)+len(added) > c.max {
			return fmt.Errorf("memory: %w: %d codes are kept at most", store.ErrFull, c.max)
		}
		for i := range codes {
			if old := c.codes[codes[i].ID]; old != nil {
				c.remove(old)
			}
			c.add(&code{Code: codes[i].Clone()})
		}
		return nil
	})
}

// Code copies one code out.
func (c *Codes) Code(ctx context.Context, id store.CodeID, now int64) (out store.Code, err error) {
	err = c.with(ctx, id, now, func(e *code) { out = e.Clone() })
	return out, err
}

// ReadCode overwrites the code with its last read.
func (c *Codes) ReadCode(ctx context.Context, id store.CodeID, now int64) (out store.Code, err error) {
	err = c.with(ctx, id, now, func(e *code) {
		switch out = e.Clone(); e.Reads {
		case 0:
		case 1:
			c.remove(e)
		default:
			e.Reads--
		}
	})
	return out, err
}

// Attempt judges and counts under the store's lock.
func (c *Codes) Attempt(ctx context.Context, id store.CodeID, counter uint16, l store.TryLimits, now int64) (a store.Attempt, err error) {
	if err := store.CheckLimits(l); err != nil {
		return store.Attempt{}, err
	}
	err = c.with(ctx, id, now, func(e *code) { a = e.Try(counter, l) })
	return a, err
}

// Settle counts under the store's lock.
func (c *Codes) Settle(ctx context.Context, id store.CodeID, a store.Attempt, right bool, l store.TryLimits) error {
	if err := store.CheckSettle(&a, l); err != nil {
		return err
	}
	return c.do(ctx, func() error {
		if e := c.codes[id]; e != nil {
			e.Settle(&a, right, l)
		}
		return nil
	})
}

// ResetTries counts under the store's lock.
func (c *Codes) ResetTries(ctx context.Context, id store.CodeID, counters []uint16, unblock bool, l store.TryLimits, now int64) error {
	if err := store.CheckLimits(l); err != nil {
		return err
	}
	return c.with(ctx, id, now, func(e *code) { e.Reset(counters, unblock, l) })
}

// ReplaceRecord overwrites the record of before.
func (c *Codes) ReplaceRecord(ctx context.Context, old store.Code, record []byte) error {
	if err := store.CheckRecord(record); err != nil {
		return err
	}
	return c.do(ctx, func() error {
		if err := c.open(record); err != nil {
			return err
		}
		e := c.codes[old.ID]
		if e == nil || e.RecordID != old.RecordID || string(e.Record) != string(old.Record) {
			return store.ErrConflict
		}
		c.count(e.Record, -1)
		clear(e.Record)
		e.Record = append([]byte(nil), record...)
		c.count(e.Record, 1)
		return nil
	})
}

// EraseCode overwrites the code.
func (c *Codes) EraseCode(ctx context.Context, id store.CodeID) error {
	return c.do(ctx, func() error {
		if e := c.codes[id]; e != nil {
			c.remove(e)
		}
		return nil
	})
}

// EraseToken finds the codes by their token and overwrites them.
func (c *Codes) EraseToken(ctx context.Context, scope store.ScopeID, token string) error {
	return c.do(ctx, func() error {
		for list := c.tokens[tokenID{scope, token}]; len(list) > 0; list = list[:len(list)-1] {
			c.remove(list[len(list)-1])
		}
		return nil
	})
}

// SweepCodes removes those first whose time was up first.
func (c *Codes) SweepCodes(ctx context.Context, now int64, limit int) (n int, err error) {
	err = c.do(ctx, func() error {
		for ; n < limit && len(c.expires) > 0 && c.expires[0].Expired(now); n++ {
			c.remove(c.expires[0])
		}
		return nil
	})
	return n, err
}

// ScanCodes yields the codes there were when the iteration began, each as it is
// when its turn comes.
func (c *Codes) ScanCodes(ctx context.Context, scope store.ScopeID) iter.Seq2[store.Code, error] {
	return func(yield func(store.Code, error) bool) {
		var left []store.CodeID
		err := c.do(ctx, func() error {
			for id := range c.codes {
				if scope == (store.ScopeID{}) || id.Scope == scope {
					left = append(left, id)
				}
			}
			return nil
		})
		var piece []store.Code
		for err == nil && len(left) > 0 {
			n := min(chunk, len(left))
			piece = piece[:0]
			err = c.do(ctx, func() error {
				for _, id := range left[:n] {
					if e := c.codes[id]; e != nil {
						piece = append(piece, e.Clone())
					}
				}
				return nil
			})
			left = left[n:]
			for i := range piece {
				if err == nil && !yield(piece[i], nil) {
					return
				}
			}
		}
		if err != nil {
			yield(store.Code{}, err)
		}
	}
}

// CountCodes is kept with every change.
func (c *Codes) CountCodes(ctx context.Context, key envelope.KeyID) (n uint64, err error) {
	err = c.do(ctx, func() error { n = c.sealed[key]; return nil })
	return n, err
}

// OpenFence opens the fence of a data key that has none yet.
func (c *Codes) OpenFence(ctx context.Context, key envelope.KeyID) error {
	return c.setFence(ctx, key, fenceOpen)
}

// CloseFence needs to wait for nobody: a put holds the lock that it takes.
func (c *Codes) CloseFence(ctx context.Context, key envelope.KeyID) error {
	return c.setFence(ctx, key, fenceClosed)
}

func (c *Codes) setFence(ctx context.Context, key envelope.KeyID, to fence) error {
	return c.do(ctx, func() error {
		c.fences[key] = max(c.fences[key], to) // closed stays closed
		return nil
	})
}
