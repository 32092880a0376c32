//go:build linux

package chaos

import (
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/tokenize"
)

// parts splits a history into parts that are linearizable one by one if and only
// if the whole is. In a UNIQUE_CARD repository a part is a card: tokens and
// idempotency keys belong to one. In a UNIQUE_TOKEN one it is a token, which one
// save makes: tries of it whose outcome nobody knows made no other, since nobody
// was told of one.
func parts(ops []op, m tokenize.Management) map[any][]*op {
	all := map[any][]*op{}
	if m == tokenize.UniqueCard {
		calls := map[string]int{}
		for i := range ops {
			calls[ops[i].Key]++
		}
		for i := range ops {
			o := ops[i]
			if o.Key != "" && calls[o.Key] == 1 {
				o.Key = once
			}
			all[o.Card] = append(all[o.Card], &o)
		}
		return all
	}
	first := map[string]int64{} // call of the first try, by key
	for i := range ops {
		if o := &ops[i]; o.Do == save && o.Got == unknown {
			if at, ok := first[o.Key]; !ok || o.Call < at {
				first[o.Key] = o.Call
			}
		}
	}
	for i := range ops {
		o := ops[i]
		switch {
		case o.Do != save:
			all[o.Token] = append(all[o.Token], &o)
			continue
		case o.Got == unknown:
			continue
		}
		if at, ok := first[o.Key]; ok && o.Got == "replayed" {
			o.Call, o.Got = at, "created"
		}
		o.Key = once
		all[o.Is.Token] = append(all[o.Is.Token], &o)
	}
	return all
}

// linearizable asks porcupine about a part of a history.
func linearizable(part []*op, patience time.Duration) porcupine.CheckResult {
	in := make([]porcupine.Operation, len(part))
	for i, o := range part {
		in[i] = porcupine.Operation{Input: o, Call: o.Call, Return: o.Return}
		if o.Got == unknown {
			in[i].Return = math.MaxInt64 // it may still come to pass
		}
	}
	return porcupine.CheckOperationsTimeout(model(), in, patience)
}

// patience is how long porcupine may take for one card.
const patience = time.Minute

// checkLinearizable holds every part of a history against the model and returns
// how long that took.
func checkLinearizable(t *testing.T, ops []op, m tokenize.Management) time.Duration {
	t.Helper()
	began := time.Now()
	var bad atomic.Int64
	g := errgroup.Group{}
	g.SetLimit(2)
	for name, part := range parts(ops, m) {
		g.Go(func() error {
			result := linearizable(part, patience)
			if result != porcupine.Ok && bad.Add(1) <= 3 {
				t.Errorf("the history of %v is not linearizable (%s):\n%s", name, result, chaostest.Lines(part, func(o *op) int64 { return o.Call }))
			}
			return nil
		})
	}
	require.NoError(t, g.Wait())
	require.Zero(t, bad.Load(), "histories that are not linearizable")
	return time.Since(began)
}
