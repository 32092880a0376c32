//go:build linux

package codechaos

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// entry is what a process writes down of an attempt: that it was counted and may be
// compared and, before the store is told, what that came to.
type entry struct {
	Counter uint16
	Number  uint64
	Settled bool
	Right   bool
}

// ledger is a process's file of entries. What was written is there when the process is
// killed.
type ledger struct {
	mu   sync.Mutex
	to   *json.Encoder
	hold int
	n    int
}

func (p *plan) ledger() (*ledger, error) {
	f, err := os.Create(filepath.Join(p.Dir, fmt.Sprintf("%d.jsonl", p.Process)))
	return &ledger{to: json.NewEncoder(f), hold: p.Hold}, err
}

// counted is what a process says before it stops for ever.
const counted = "counted"

func (l *ledger) add(e entry) error {
	l.mu.Lock()
	if !e.Settled {
		l.n++
	}
	stop := !e.Settled && l.n == l.hold
	err := l.to.Encode(&e)
	l.mu.Unlock()
	if stop {
		fmt.Println(counted)
		select {}
	}
	return err
}

// noting is a store that writes down what it lets be compared.
type noting struct {
	store.Codes
	l *ledger
}

func (n noting) Attempt(ctx context.Context, id store.CodeID, counter uint16, l store.TryLimits, now int64) (store.Attempt, error) {
	a, err := n.Codes.Attempt(ctx, id, counter, l, now)
	if err == nil && a.Result == store.TryTaken {
		err = n.l.add(entry{Counter: counter, Number: a.Number})
	}
	return a, err
}

func (n noting) Settle(ctx context.Context, id store.CodeID, a store.Attempt, right bool, l store.TryLimits) error {
	if err := n.l.add(entry{Counter: a.Counter, Number: a.Number, Settled: true, Right: right}); err != nil {
		return err
	}
	return n.Codes.Settle(ctx, id, a, right, l)
}

// notingEphemeral is one with the data keys beside it.
type notingEphemeral struct {
	noting
	keyStore keys.Store
}

func (n notingEphemeral) Keys() keys.Store { return n.keyStore }
