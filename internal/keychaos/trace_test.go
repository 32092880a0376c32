//go:build linux

package keychaos

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// trace says on standard output which calls to store and KMS begin and end, a
// line each, and waits at one of them for a line from the parent. A nil trace is
// silent.
type trace struct {
	out    io.Writer
	in     *bufio.Reader
	hold   string
	holdAt int

	mu    sync.Mutex
	begun bool
	lines int
	seen  int // lines that say hold
}

// What a child says beside its calls.
const (
	begun = "begun"
	held  = "held" // and waits
	ended = "ended"
)

func (p *plan) trace() *trace {
	return &trace{out: os.Stdout, in: bufio.NewReader(os.Stdin), hold: p.Hold, holdAt: p.HoldAt}
}

// counting is a trace that nobody reads.
func counting() *trace { return &trace{out: io.Discard} }

// begin has it speak from here on.
func (t *trace) begin() {
	if t != nil {
		t.begun = true
		fmt.Fprintln(t.out, begun)
	}
}

func (t *trace) say(what string) {
	if t == nil || !t.begun {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintln(t.out, what)
	t.lines++
	if t.hold == "" || t.hold == what {
		t.seen++
		if t.seen == t.holdAt {
			fmt.Fprintln(t.out, held)
			_, _ = t.in.ReadString('\n')
		}
	}
}

// call says that a call begins, and in the end that it ended.
func (t *trace) call(name string) func() {
	t.say("in " + name)
	return func() { t.say("after " + name) }
}

type tracedKeys struct {
	keys.Store
	t *trace
}

func (s tracedKeys) Get(ctx context.Context, id keys.KeyID) (keys.Record, error) {
	defer s.t.call("keys.Get")()
	return s.Store.Get(ctx, id)
}

func (s tracedKeys) List(ctx context.Context, id keys.RingID) ([]keys.Record, uint64, error) {
	defer s.t.call("keys.List")()
	return s.Store.List(ctx, id)
}

func (s tracedKeys) CompareAndSwap(ctx context.Context, id keys.RingID, version uint64, put []keys.Record) error {
	defer s.t.call("keys.CompareAndSwap")()
	return s.Store.CompareAndSwap(ctx, id, version, put)
}

// tracedKEK does not pass on that its KEK is for development.
type tracedKEK struct {
	keys.KEK
	t *trace
}

func (k tracedKEK) Wrap(ctx context.Context, dst, dataKey []byte, b keys.Binding) ([]byte, error) {
	defer k.t.call("kek.Wrap")()
	return k.KEK.Wrap(ctx, dst, dataKey, b)
}

func (k tracedKEK) Unwrap(ctx context.Context, dst, wrapped []byte, b keys.Binding) ([]byte, error) {
	defer k.t.call("kek.Unwrap")()
	return k.KEK.Unwrap(ctx, dst, wrapped, b)
}

type tracedCards struct {
	store.Cards
	t *trace
}

func (c tracedCards) Write(ctx context.Context, writes []store.Write, job *store.Job) ([]store.Outcome, error) {
	defer c.t.call("cards.Write")()
	return c.Cards.Write(ctx, writes, job)
}

func (c tracedCards) Get(ctx context.Context, scope store.ScopeID, tokens []string) ([]store.Row, error) {
	defer c.t.call("cards.Get")()
	return c.Cards.Get(ctx, scope, tokens)
}

func (c tracedCards) Scan(ctx context.Context, scope store.ScopeID, after string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		defer c.t.call("cards.Scan")()
		c.Cards.Scan(ctx, scope, after)(yield)
	}
}

func (c tracedCards) CountByKey(ctx context.Context, key envelope.KeyID) (uint64, error) {
	defer c.t.call("cards.CountByKey")()
	return c.Cards.CountByKey(ctx, key)
}

func (c tracedCards) OpenFence(ctx context.Context, key envelope.KeyID) error {
	defer c.t.call("cards.OpenFence")()
	return c.Cards.OpenFence(ctx, key)
}

func (c tracedCards) Job(ctx context.Context, id store.JobID) ([]byte, error) {
	defer c.t.call("cards.Job")()
	return c.Cards.Job(ctx, id)
}

func (c tracedCards) EndJob(ctx context.Context, id store.JobID) error {
	defer c.t.call("cards.EndJob")()
	return c.Cards.EndJob(ctx, id)
}
