package tokenize

import (
	"context"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// UpdateRequest asks for some details of an existing token to be changed: those
// of Card that are set.
type UpdateRequest struct {
	Caller        Caller
	Token         string
	ExpectVersion uint64 // 0: whatever it is
	Card          card.Details
	Verification  Verification
	CorrelationID string
}

// Update changes a token's details. The token must exist; a number that another
// token of a UniqueCard repository holds is refused.
func (r *Repository) Update(ctx context.Context, q UpdateRequest) (Details, error) {
	return r.Save(ctx, SaveRequest{
		Caller: q.Caller, Token: q.Token, ExpectVersion: q.ExpectVersion, Card: q.Card,
		Verification: q.Verification, CorrelationID: q.CorrelationID, update: true,
	})
}

// Delete erases a token's card for good. What stays is a tombstone, token and
// repository alone, so that the token is never given out again. A token that was
// deleted before is reported as [ErrTokenDeleted].
func (r *Repository) Delete(ctx context.Context, c Caller, token string) error {
	if err := c.may(MayDelete); err != nil {
		return err
	}
	e := audit.Event{Action: audit.Delete, Outcome: audit.Done, Repository: r.c.ID, Merchant: c.Merchant, Owner: c.Owner}
	err := r.delete(ctx, token)
	switch {
	case err == nil:
		e.Token = token
	case serverSide(err):
		e.Outcome = audit.Failed
	default:
		e.Outcome, e.Field = audit.Refused, wrap(err).Field
	}
	if e.Token == "" && r.v.o.Audit != nil {
		l, lerr := r.keyed(ctx)
		if lerr != nil {
			return lerr
		}
		e.Unknown = r.unknownDigest(l, token)
	}
	if aerr := r.v.record(ctx, e); aerr != nil && err == nil {
		return aerr
	}
	return err
}

func (r *Repository) delete(ctx context.Context, token string) error {
	for range maxRounds {
		row, err := r.row(ctx, token)
		if err != nil {
			return err
		}
		if row.Status == store.Deleted {
			return &Error{Cause: RequestRejected, Field: "token", Kind: Invalid, SupportCode: "DELETED",
				Explanation: trim(ErrTokenDeleted), err: ErrTokenDeleted}
		}
		tomb := store.Row{Scope: row.Scope, Token: row.Token, Version: row.Version, Status: store.Deleted, Order: row.Order}
		out, err := r.replace(ctx, store.Write{Row: tomb})
		if err != nil {
			return err
		}
		if out[0].Result == store.Written {
			return nil
		}
	}
	return conflict()
}

// Each walks the repository's tokens in ascending order from after the given one
// and stops when yield returns false. Deleted ones are left out.
func (r *Repository) Each(ctx context.Context, c Caller, after string, yield func(Details) bool) error {
	if err := c.may(MayRead); err != nil {
		return err
	}
	for row, err := range r.v.cards.Scan(ctx, r.scope, after) {
		if err != nil {
			return wrap(err)
		}
		if row.Status != store.Deleted && !yield(r.details(&row)) {
			return nil
		}
	}
	return nil
}
