package tokenize

import (
	"context"
	"errors"

	"github.com/cardseal/cardseal/tokenize/store"
)

// errOutdated ends a round that was planned under an epoch that is over. It does
// not leave the package: the batch catches up and plans anew.
var errOutdated = errors.New("tokenize: planned under an earlier epoch")

// catchUp reads the repository's row again and computes anew what hangs on its
// keys. What was verified, counted and refused before stays so.
func (b *batch) catchUp(ctx context.Context) error {
	if _, err := b.r.reread(ctx); err != nil {
		return err
	}
	l, err := b.r.keyed(ctx)
	if err != nil {
		return err
	}
	b.l, b.recalled = l, false
	for i := range b.prep {
		q, p := &b.reqs[i], &b.prep[i]
		if b.res[i].Err != nil {
			continue
		}
		if p.hasNumber {
			l.index(q.Card.Number, p)
		}
		if p.hasOnce {
			p.once, p.asked = onceUnder(l.digestKey, q, b.now), false
		}
	}
	return nil
}

// upToDate makes sure, before a request is refused, that the look-up which led
// there was made under the repository's keys: a card that was not found may stand
// under others by now. Nothing else needs it. A card that was found is the right
// one whatever the epoch, since the row was read with the value in it, and what
// follows from one that was not found is either written, which the store refuses
// under another epoch, or a refusal.
func (b *batch) upToDate(ctx context.Context) error {
	s, err := b.r.reread(ctx)
	if err != nil {
		return err
	}
	if s.epoch != b.l.epoch {
		return errOutdated
	}
	return nil
}

// recall asks what calls are remembered under the earlier digest key, as long as
// it may have some. None is added under it any more: the epoch of those who did is
// over. It reports whether one was found.
func (b *batch) recall(ctx context.Context) (known bool, err error) {
	if b.recalled || b.l.earlier == nil || b.now.UnixMilli() >= b.l.earlierUntil {
		return false, nil
	}
	var probes []store.Write
	var from []int
	for i := range b.reqs {
		if b.prep[i].hasOnce && b.res[i].Err == nil && b.replayed[i] == "" {
			once := onceUnder(b.l.earlier, &b.reqs[i], b.now)
			probes, from = append(probes, b.probe("0", &once)), append(from, i)
		}
	}
	if len(probes) > 0 {
		outcomes, err := b.r.v.cards.Write(ctx, probes, nil)
		if err != nil {
			return false, err
		}
		for k := range outcomes {
			switch o, i := &outcomes[k], from[k]; {
			case o.Result == store.Outdated:
				return false, errOutdated
			case o.Result != store.Replayed:
			case o.Input != probes[k].Once.Input:
				b.res[i].Err = fault(rejected("idempotencyKey", "REUSED_KEY", ErrReusedKey), b.reqs[i].CorrelationID)
			default:
				b.replayed[i], known = o.Token, true
			}
		}
	}
	b.recalled = true
	return known, nil
}
