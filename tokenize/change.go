package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// UpdateRequest asks for some details of an existing token to be changed: those
// that are set, and those to be cleared.
type UpdateRequest struct {
	Caller        Caller
	Token         string
	ExpectVersion uint64 // 0: whatever it is
	Card          card.Details
	Encrypted     *EncryptedCard // as in [SaveRequest]
	TokenExpiry   Date           // the last day on which the token resolves, in UTC
	Clear         Clear
	Brand         string // as in [SaveRequest]
	Verification  Verification
	CorrelationID string
}

// Update changes a token's details. The token must exist; a number that another
// token of a UniqueCard repository holds is refused. Where the number changes the
// security codes that were stored through the token are erased before: issuer codes
// always, transient ones where package code serves the repository in this process
// (elsewhere they stay the old number's until their time is up). A suspended token stays
// suspended; one whose last day is over resolves again once it has a later one.
func (r *Repository) Update(ctx context.Context, q UpdateRequest) (Details, error) {
	return r.Save(ctx, SaveRequest{
		Caller: q.Caller, Token: q.Token, ExpectVersion: q.ExpectVersion, Card: q.Card, Encrypted: q.Encrypted, Brand: q.Brand,
		TokenExpiry: q.TokenExpiry, Clear: q.Clear, Verification: q.Verification, CorrelationID: q.CorrelationID, update: true,
	})
}

// Each walks the repository's tokens in ascending order from after the given one
// and stops when yield returns false. Deleted ones are left out.
func (r *Repository) Each(ctx context.Context, c Caller, after string, yield func(Details) bool) error {
	if err := r.admit(ctx, &c, rules[opGet].needs, time.Now()); err != nil {
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
