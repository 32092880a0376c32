package memory

import (
	"container/heap"
	"context"
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
