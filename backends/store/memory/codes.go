package memory

import (
	"container/heap"
	"context"
	"fmt"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// CodesOptions bound a store of codes. The zero value is 1,000,000 codes.
type CodesOptions struct {
	// Max is how many codes are kept at once; default 1,000,000, about 600 MB of codes
	// with one counter each. One more is refused with [store.ErrFull].
	Max int
}

const defaultMax = 1_000_000

// Codes is an ephemeral store of security codes, with the data keys that they are
// sealed under, for one process. Make it with [NewCodes].
//
// What is erased, replaced or swept is overwritten at once where this package owns
// it: sealed codes, and the wrapped data keys of key records. Copies that were handed
// out are the caller's, and what the runtime or the operating system copied (swap, a
// core file) is out of reach.
//
// Fences and key records stay: a few hundred bytes a data key, until Close.
type Codes struct {
	max    int
	closed atomic.Bool

	mu      sync.Mutex
	codes   map[store.CodeID]*code
	tokens  map[tokenID][]*code
	sealed  map[envelope.KeyID]uint64
	fences  map[envelope.KeyID]fence
	expires expiries

	keyStore keyStore
}

type tokenID struct {
	scope store.ScopeID
	token string
}

// code is a code with its places in its token's list and in the expiries, there -1
// if it never expires.
type code struct {
	store.Code
	inToken, inExpiries int
}

// NewCodes returns an empty store; o may be nil. A negative o.Max is a
// [store.InvalidError].
func NewCodes(o *CodesOptions) (*Codes, error) {
	c := &Codes{
		max:    defaultMax,
		codes:  map[store.CodeID]*code{},
		tokens: map[tokenID][]*code{},
		sealed: map[envelope.KeyID]uint64{},
		fences: map[envelope.KeyID]fence{},
	}
	if o != nil && o.Max < 0 {
		return nil, &store.InvalidError{Field: "CodesOptions.Max", Problem: "is negative"}
	}
	if o != nil && o.Max > 0 {
		c.max = o.Max
	}
	c.keyStore = newKeyStore(&c.closed)
	return c, nil
}

// Keys is the store of the data keys that the codes are sealed under.
func (c *Codes) Keys() keys.Store { return &c.keyStore }

// Close overwrites what is stored and makes every later call fail, as [DB.Close]
// does. It never fails and may be called more than once.
func (c *Codes) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed.Store(true)
	for _, e := range c.codes {
		c.remove(e)
	}
	clear(c.fences)
	c.keyStore.wipe()
	return nil
}

// CheckEphemeral returns nil: there is nothing but this process's memory.
func (c *Codes) CheckEphemeral(ctx context.Context) error {
	return c.do(ctx, func() error { return nil })
}

// do runs f under the lock.
func (c *Codes) do(ctx context.Context, f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed.Load() {
		return store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return f()
}

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

func (c *Codes) open(record []byte) error {
	if key, _ := envelope.StoredKeyID(record); c.fences[key] != fenceOpen {
		return store.ErrFenced
	}
	return nil
}

func (c *Codes) add(e *code) {
	c.codes[e.ID] = e
	t := tokenID{e.ID.Scope, e.Token}
	e.inToken = len(c.tokens[t])
	c.tokens[t] = append(c.tokens[t], e)
	c.count(e.Record, 1)
	if e.inExpiries = -1; e.Expires != 0 {
		heap.Push(&c.expires, e)
	}
}

func (c *Codes) remove(e *code) {
	delete(c.codes, e.ID)
	t := tokenID{e.ID.Scope, e.Token}
	list := c.tokens[t]
	last := len(list) - 1
	list[e.inToken], list[last].inToken = list[last], e.inToken
	list[last] = nil
	if c.tokens[t] = list[:last]; last == 0 {
		delete(c.tokens, t)
	}
	c.count(e.Record, -1)
	if e.inExpiries >= 0 {
		heap.Remove(&c.expires, e.inExpiries)
	}
	clear(e.Record)
}

func (c *Codes) count(record []byte, n int) {
	key, _ := envelope.StoredKeyID(record)
	if c.sealed[key] += uint64(n); c.sealed[key] == 0 {
		delete(c.sealed, key)
	}
}

// live returns a code whose time is not up.
func (c *Codes) live(id store.CodeID, now int64) (*code, error) {
	if e := c.codes[id]; e != nil && !e.Expired(now) {
		return e, nil
	}
	return nil, store.ErrNotFound
}

// with runs f on a code whose time is not up.
func (c *Codes) with(ctx context.Context, id store.CodeID, now int64, f func(e *code)) error {
	return c.do(ctx, func() error {
		e, err := c.live(id, now)
		if err == nil {
			f(e)
		}
		return err
	})
}

func (c *Codes) Code(ctx context.Context, id store.CodeID, now int64) (out store.Code, err error) {
	err = c.with(ctx, id, now, func(e *code) { out = e.Clone() })
	return out, err
}

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

func (c *Codes) Attempt(ctx context.Context, id store.CodeID, counter uint16, l store.TryLimits, now int64) (a store.Attempt, err error) {
	if err := store.CheckLimits(l); err != nil {
		return store.Attempt{}, err
	}
	err = c.with(ctx, id, now, func(e *code) { a = e.Try(counter, l) })
	return a, err
}

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

func (c *Codes) ResetTries(ctx context.Context, id store.CodeID, counters []uint16, unblock bool, now int64) error {
	return c.with(ctx, id, now, func(e *code) { e.Reset(counters, unblock) })
}

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

func (c *Codes) EraseCode(ctx context.Context, id store.CodeID) error {
	return c.do(ctx, func() error {
		if e := c.codes[id]; e != nil {
			c.remove(e)
		}
		return nil
	})
}

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

// expiries is a heap of the codes that expire, the first to do so in front.
type expiries []*code

func (x expiries) Len() int           { return len(x) }
func (x expiries) Less(i, j int) bool { return x[i].Expires < x[j].Expires }

func (x expiries) Swap(i, j int) {
	x[i], x[j] = x[j], x[i]
	x[i].inExpiries, x[j].inExpiries = i, j
}

func (x *expiries) Push(e any) {
	e.(*code).inExpiries = len(*x)
	*x = append(*x, e.(*code))
}

func (x *expiries) Pop() any {
	last := len(*x) - 1
	e := (*x)[last]
	(*x)[last] = nil
	*x = (*x)[:last]
	return e
}
