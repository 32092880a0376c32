//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// me is every goroutine: they share their idempotency keys.
var me = tokenize.Caller{Merchant: "SHOP1", Owner: "chaos", Permissions: tokenize.MayAll}

// worker is one goroutine's use of the repository.
type worker struct {
	p    *plan
	r    *tokenize.Repository
	h    *history
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

func newWorker(p *plan, r *tokenize.Repository, h *history, i int) *worker {
	return &worker{p: p, r: r, h: h, name: fmt.Sprintf("%d-%d", p.Process, i),
		rng: rand.New(rand.NewPCG(p.Seed, uint64(p.Process)<<32|uint64(i)))}
}

// turn is the n-th save and, most times, a call about a token.
func (w *worker) turn(ctx context.Context, n uint64) error {
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
	if err := w.do(ctx, &o, w.save); err != nil {
		return err
	}
	last := held{o.Card, o.Is.Token}
	if len(w.seen) < memory {
		w.seen = append(w.seen, last)
	} else {
		w.seen[w.rng.IntN(memory)] = last
	}
	if w.rng.IntN(4) == 0 { // an older one
		last = w.seen[w.rng.IntN(len(w.seen))]
	}
	o = op{Card: last.card, Token: last.token}
	switch chance := w.rng.IntN(20); {
	case chance < 5:
		o.Do = get
		return w.do(ctx, &o, w.get)
	case chance < 8:
		o.Do = reveal
		return w.do(ctx, &o, w.reveal)
	case chance < 12:
		o.Do, o.Expiry = update, someMonths(w.rng.Uint64())
		return w.do(ctx, &o, w.update)
	case chance < 14:
		o.Do = remove
		return w.do(ctx, &o, w.remove)
	}
	return nil
}

// do makes a call, and again while its outcome is unknown or nothing was done, and
// writes down each as an operation of its own. The last one's answer is left in o.
func (w *worker) do(ctx context.Context, o *op, call func(context.Context, *op) error) error {
	for range tries {
		o.Got, o.Is = unknown, details{}
		o.Call = clock()
		err := call(ctx, o)
		o.Return = clock()
		again := false
		switch {
		case err == nil:
		case errors.Is(err, tokenize.ErrTokenDeleted):
			o.Got = deleted
		case errors.Is(err, tokenize.ErrTokenNotFound):
			o.Got = missing
		case errors.Is(err, tokenize.ErrOutcomeUnknown):
			o.Got, again = unknown, true
		case passing(err):
			o.Got, again = busy, true
		default:
			return fmt.Errorf("%s of card %d: %w", o.Do, o.Card, err)
		}
		if err := w.h.add(o); err != nil || !again {
			return err
		}
	}
	return fmt.Errorf("%s of card %d: no answer", o.Do, o.Card)
}

func (w *worker) save(ctx context.Context, o *op) error {
	pan, err := number(o.Card)
	if err != nil {
		return err
	}
	d, err := w.r.Save(ctx, tokenize.SaveRequest{
		Caller: me, IdempotencyKey: o.Key, Card: card.Details{Number: pan, Expiry: expiry(o.Expiry)},
	})
	return o.answered(d, d.Outcome.String(), err)
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
