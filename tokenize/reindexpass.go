package tokenize

import (
	"context"
	"slices"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// pass brings all rows to where the phase wants them.
func (x *reindex) pass(ctx context.Context, s *standing) error {
	var err error
	if x.l, err = x.r.keyedBy(ctx, s); err != nil {
		return err
	}
	w := &walk{r: x.r, work: x, job: x.r.reindexJob(x.p.Key), batch: x.o.Batch, rate: x.o.RowsPerSecond,
		p: &x.p, show: x.o.OnProgress, left: x.o.OnLeft}
	past := x.p.Phase != Filling || x.o.LeaveUnindexed
	left, err := w.run(ctx, cursor{Phase: x.p.Phase}, past)
	if err == nil && left > 0 && !past {
		err = &Error{Cause: RequestRejected, SupportCode: "UNINDEXED", Explanation: trim(ErrUnindexed), err: ErrUnindexed}
	}
	return err
}

// ready has nothing to do: the store refuses what is planned under another epoch.
func (x *reindex) ready() {}

// fit gives a row the index values that it is to have in the phase.
func (x *reindex) fit(ctx context.Context, row *store.Row) (bool, error) {
	index, err := x.values(ctx, row)
	if err != nil || slices.Equal(index, row.Index) {
		return false, err
	}
	row.Index = index
	return true, nil
}

func (x *reindex) write(ctx context.Context, writes []store.Write, job *store.Job) ([]store.Outcome, error) {
	for i := range writes {
		w := &writes[i]
		w.Epoch, w.Unique = x.l.epoch, x.r.c.Management == UniqueCard
		for j := range w.Row.Sealed {
			if id, ok := envelope.StoredKeyID(w.Row.Sealed[j].Record); ok {
				if err := x.r.v.openFence(ctx, id); err != nil {
					return nil, err
				}
			}
		}
	}
	outcomes, err := x.r.v.cards.Write(ctx, writes, job)
	if err == nil && slices.ContainsFunc(outcomes, func(o store.Outcome) bool { return o.Result == store.Outdated }) {
		err = errOutdated
	}
	return outcomes, err
}

func (x *reindex) refused(o *store.Outcome) error {
	switch o.Result {
	case store.CardExists: // where cards were left without index values before
		return rejected(card.FieldNumber, "CARD_HAS_TOKEN", ErrCardHasToken)
	case store.Fenced:
		x.r.v.forgetFence(o.Key)
		return keys.ErrDisabled
	}
	return nil
}

// values returns the index values that a row is to have in the phase.
func (x *reindex) values(ctx context.Context, row *store.Row) ([]store.IndexValue, error) {
	l := x.l
	if x.p.Phase == Dropping {
		return slices.DeleteFunc(slices.Clone(row.Index), func(v store.IndexValue) bool { return v.Key != l.read.id }), nil
	}
	live := append([]indexKey{l.read}, l.others...)
	if len(row.Index) == len(live) && !slices.ContainsFunc(live, func(k indexKey) bool { return !stands(row, k.id) }) {
		return row.Index, nil
	}
	at := slices.IndexFunc(row.Sealed, func(s store.Sealed) bool { return seal.Field(s.Field) == seal.PAN })
	if at < 0 {
		if len(row.Index) == 0 { // no card is kept
			return row.Index, nil
		}
		return nil, damaged("a row has no card number")
	}
	s := &row.Sealed[at]
	pan, err := x.r.sealer.OpenNumber(ctx, s.Record, seal.PAN, bound(row, s))
	if err != nil {
		return nil, err
	}
	index := make([]store.IndexValue, len(live))
	for i := range live {
		index[i] = live[i].of(pan)
		// A value that is not this card's was put there by somebody else.
		if stands(row, live[i].id) && !slices.Contains(row.Index, index[i]) {
			return nil, damaged("an index value is not the card's")
		}
	}
	return index, nil
}

// stands reports whether a row has a value under a key.
func stands(row *store.Row, id envelope.KeyID) bool {
	return slices.ContainsFunc(row.Index, func(v store.IndexValue) bool { return v.Key == id })
}
