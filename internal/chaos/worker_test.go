//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// me is every goroutine: they share their idempotency keys.
var me = tokenize.Caller{Owner: "chaos", Permissions: tokenize.MayAll}

// worker is one goroutine's use of the repository.
type worker struct {
	p    *plan
	r    *tokenize.Repository
	h    *chaostest.History[op]
	rng  *rand.Rand
	name string
	seen []held // tokens it was told of lately
}

type held struct {
	card  int
	token string
}

// memory is how many tokens a worker remembers: some are deleted by then.
const memory = 16

func newWorker(p *plan, r *tokenize.Repository, h *chaostest.History[op], i int) *worker {
	return &worker{p: p, r: r, h: h, name: fmt.Sprintf("%d-%d", p.Process, i),
		rng: rand.New(rand.NewPCG(p.Seed, uint64(p.Process)<<32|uint64(i)))}
}

// size is how many cards the next call saves.
func (w *worker) size() uint64 {
	if w.rng.IntN(16) == 0 {
		return 4
	}
	return 1
}

// turn is the saves from the n-th on, in one call, and most times a call about a
// token.
func (w *worker) turn(ctx context.Context, n, size uint64) error {
	ops := make([]op, min(size, uint64(w.p.Saves)-n))
	for i := range ops {
		ops[i] = w.toSave(n + uint64(i))
	}
	if err := w.do(ctx, ops, w.save); err != nil {
		return err
	}
	last := held{ops[0].Card, ops[0].Is.Token}
	if len(w.seen) < memory {
		w.seen = append(w.seen, last)
	} else {
		w.seen[w.rng.IntN(memory)] = last
	}
	if w.rng.IntN(4) == 0 { // an older one
		last = w.seen[w.rng.IntN(len(w.seen))]
	}
	o := op{Card: last.card, Token: last.token}
	call := w.get
	switch chance := w.rng.IntN(20); {
	case chance < 5:
		o.Do = get
	case chance < 8:
		o.Do, call = reveal, w.reveal
	case chance < 12:
		o.Do, o.Expiry, call = update, someMonths(w.rng.Uint64()), w.update
	case chance < 14:
		o.Do, call = remove, w.remove
	default:
		return nil
	}
	return w.do(ctx, []op{o}, func(ctx context.Context, ops []op) error { return call(ctx, &ops[0]) })
}

func (w *worker) toSave(n uint64) op {
	o := op{Do: save, Card: w.p.card(n), Key: fmt.Sprintf("%s-%d", w.name, n)}
	switch {
	case w.p.Management == tokenize.UniqueCard && w.rng.IntN(8) == 0:
		// A request that others send as well, under the same key.
		which := w.rng.IntN(2)
		o.Key = fmt.Sprintf("card-%d-%d", o.Card, which)
		o.Expiry = someMonths(mix(uint64(o.Card*2 + which)))
	case w.rng.IntN(2) == 0:
		o.Expiry = someMonths(w.rng.Uint64())
	}
	return o
}

// do makes a call, and again while its outcome is unknown or nothing was done, and
// writes down each as operations of their own. The last one's answers are left in
// ops.
func (w *worker) do(ctx context.Context, ops []op, call func(context.Context, []op) error) error {
	for range chaostest.Tries {
		for i := range ops {
			ops[i].Got, ops[i].Is, ops[i].Call = unknown, details{}, chaostest.Clock()
		}
		err := call(ctx, ops)
		now := chaostest.Clock()
		got, again := "", false
		switch {
		case err == nil:
		case errors.Is(err, tokenize.ErrTokenDeleted):
			got = deleted
		case errors.Is(err, tokenize.ErrTokenNotFound):
			got = missing
		case errors.Is(err, tokenize.ErrOutcomeUnknown):
			got, again = unknown, true
		case chaostest.Passing(err):
			got, again = busy, true
		default:
			return fmt.Errorf("%s of card %d: %w", ops[0].Do, ops[0].Card, err)
		}
		for i := range ops {
			o := &ops[i]
			if o.Return = now; err != nil {
				o.Got = got
			}
			if err := w.h.Add(o); err != nil {
				return err
			}
		}
		if !again {
			return nil
		}
	}
	return fmt.Errorf("%s of card %d: no answer", ops[0].Do, ops[0].Card)
}

func (w *worker) save(ctx context.Context, ops []op) error {
	reqs := make([]tokenize.SaveRequest, len(ops))
	for i := range ops {
		pan, err := chaostest.Number(ops[i].Card)
		if err != nil {
			return err
		}
		reqs[i] = tokenize.SaveRequest{
			Caller: me, IdempotencyKey: ops[i].Key, Card: card.Details{Number: pan, Expiry: expiry(ops[i].Expiry)},
		}
	}
	if len(ops) == 1 {
		d, err := w.r.Save(ctx, reqs[0])
		return ops[0].answered(d, d.Outcome.String(), err)
	}
	got, err := w.r.SaveBatch(ctx, reqs)
	if err != nil {
		return err
	}
	for i := range ops {
		if got[i].Err != nil {
			return fmt.Errorf("in a batch: %w", got[i].Err)
		}
		_ = ops[i].answered(got[i].Details, got[i].Details.Outcome.String(), nil)
	}
	return nil
}

func (w *worker) update(ctx context.Context, o *op) error {
	d, err := w.r.Update(ctx, tokenize.UpdateRequest{Caller: me, Token: o.Token, Card: card.Details{Expiry: expiry(o.Expiry)}})
	return o.answered(d, d.Outcome.String(), err)
}

func (w *worker) get(ctx context.Context, o *op) error {
	d, err := w.r.Get(ctx, me, o.Token)
	if err == nil && d.Status == tokenize.Deleted {
		return tokenize.ErrTokenDeleted
	}
	return o.answered(d, active, err)
}

func (o *op) answered(d tokenize.Details, got string, err error) error {
	if err == nil {
		o.Got, o.Is = got, details{d.Token, d.Version, months(d.Expiry)}
	}
	return err
}

func (w *worker) reveal(ctx context.Context, o *op) error {
	d, err := w.r.Reveal(ctx, me, o.Token, "test")
	if err != nil {
		return err
	}
	o.Got, o.Is = active, details{Token: o.Token, Expiry: months(d.Expiry)}
	if cardOf(d.Number, w.p.Cards) != o.Card {
		o.Got = wrong
	}
	return nil
}

func (w *worker) remove(ctx context.Context, o *op) error {
	err := w.r.Delete(ctx, me, o.Token)
	if err == nil {
		o.Got = done
	}
	return err
}
