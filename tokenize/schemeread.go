package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// SchemeToken returns what may be known of a token's scheme token; no KMS call is
// made. The caller needs [MayRead]. Who is not its requestor sees the status alone.
func (r *Repository) SchemeToken(ctx context.Context, c Caller, token string) (SchemeToken, error) {
	if err := r.admit(ctx, &c, MayRead, time.Now()); err != nil {
		return SchemeToken{}, err
	}
	row, err := r.row(ctx, token)
	switch {
	case err != nil:
		return SchemeToken{}, err
	case row.Status == store.Deleted:
		return SchemeToken{}, errDeleted()
	case row.Scheme.Status == 0:
		return SchemeToken{}, noScheme()
	}
	s := schemeOf(&row)
	if c.Merchant != row.Scheme.Requestor {
		s = SchemeToken{Status: s.Status}
	}
	return s, nil
}

// RevealSchemeToken gives the network token itself to its requestor, under the same
// terms as [Repository.Reveal]: [MayReveal], a reason, and nothing without a record
// of it. A suspended one is not given out.
func (r *Repository) RevealSchemeToken(ctx context.Context, c Caller, token, reason string) (card.PAN, error) {
	err := r.mayReveal(ctx, &c, reason, time.Now())
	if err != nil {
		reason = "" // what is malformed is not written down
	}
	var number card.PAN
	if err == nil {
		number, err = r.revealScheme(ctx, &c, token)
	}
	if aerr := r.recordScheme(ctx, audit.RevealScheme, &c, token, reason, err); aerr != nil {
		return card.PAN{}, wrap(aerr)
	}
	if err != nil {
		return card.PAN{}, wrap(err)
	}
	return number, nil
}

func (r *Repository) revealScheme(ctx context.Context, c *Caller, token string) (none card.PAN, err error) {
	row, err := r.row(ctx, token)
	if err != nil {
		return none, err
	}
	if err := allow(opReveal, &row, time.Now()); err != nil {
		return none, err
	}
	switch {
	case row.Scheme.Status == 0:
		return none, noScheme()
	case c.Merchant != row.Scheme.Requestor:
		return none, rejected("merchant", "REQUESTOR", ErrRequestor)
	}
	switch SchemeStatus(row.Scheme.Status) {
	case SchemeValid, SchemeActive:
		return r.openScheme(ctx, &row)
	case SchemeDeleted:
		return none, rejected("schemeToken", "DELETED", ErrSchemeDeleted)
	}
	return none, &Error{Cause: RequestRejected, Field: "schemeToken", Kind: Invalid, SupportCode: "SUSPENDED",
		Explanation: "is suspended"}
}

func noScheme() *Error {
	return &Error{Cause: InvalidRequest, Field: "schemeToken", Kind: Invalid,
		Explanation: trim(ErrSchemeNotFound), err: ErrSchemeNotFound}
}
