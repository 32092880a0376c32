package tokenize

import (
	"context"
	"slices"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// SchemeTokenRequest asks for a scheme token to be attached to a token, or for its
// details to be changed: those that are set.
type SchemeTokenRequest struct {
	Caller        Caller // his Merchant is the requestor, and required
	Token         string
	ExpectVersion uint64 // of the token, 0: whatever it is
	// Number is the network token, 12 to 16 digits. It may be missing for a scheme
	// token that is there.
	Number card.PAN
	Expiry card.Expiry
	PAR    string // payment account reference, 1 to 50 of 0-9 a-z A-Z
	// Status is VALID for a new one where it is not given. SchemeDeleted erases
	// number, expiry and reference.
	Status SchemeStatus
}

// SetSchemeToken attaches a scheme token, or changes the one that is there, on the
// word of a token service that the embedding service listens to; it calls none:
// [Repository.ActOnSchemeToken] does. The caller needs [MayUpdate]. The first
// merchant to attach one is its requestor, and only he may change it; after it was
// deleted any may attach another.
//
// The network token is sealed as a card number is. A token that gets another card
// number loses its scheme token, which was the old card's, and so does one that is
// deleted; no token service is told.
func (r *Repository) SetSchemeToken(ctx context.Context, q SchemeTokenRequest) (SchemeToken, error) {
	s := &schemeChange{r: r, caller: &q.Caller, token: q.Token, expect: q.ExpectVersion, action: audit.SetScheme}
	return s.run(ctx, func(row *store.Row) error {
		if err := q.check(); err != nil {
			return err
		}
		return r.setScheme(ctx, &q, row)
	})
}

// check refuses what no scheme token can have.
func (q *SchemeTokenRequest) check() error {
	if q.Number.Len() > maxNetworkToken {
		return invalid("networkToken", Invalid, "must be 12 to 16 digits")
	}
	if !q.Expiry.IsZero() {
		if _, err := card.NewExpiry(q.Expiry.Month, q.Expiry.Year); err != nil {
			return err
		}
	}
	if q.Status > SchemeDeleted {
		return invalid("schemeStatus", Invalid, "is not a known status")
	}
	if !isPrintable(q.PAR, maxPAR) || slices.ContainsFunc([]byte(q.PAR), func(c byte) bool { return !isAlphanumeric(c) }) {
		return invalid("paymentAccountReference", Invalid, "must be 1 to 50 of 0-9 a-z A-Z and name no card number")
	}
	return nil
}

// setScheme puts what a request has into a row.
func (r *Repository) setScheme(ctx context.Context, q *SchemeTokenRequest, row *store.Row) error {
	switch there := hasScheme(row); {
	case !there && q.Status == SchemeDeleted:
		return noScheme()
	case !there && q.Number.IsZero():
		return invalid("networkToken", Missing, "is needed for a new scheme token")
	case q.Status == SchemeDeleted:
		deleteScheme(row)
		return nil
	case !there:
		dropScheme(row)
		row.Scheme = store.Scheme{Status: uint8(SchemeValid), Requestor: q.Caller.Merchant}
	}
	if !q.Number.IsZero() {
		if err := r.sealScheme(ctx, q.Number, row); err != nil {
			return err
		}
	}
	if e := expiryNumber(q.Expiry); e != 0 {
		row.Scheme.Expiry = e
	}
	if q.PAR != "" {
		row.Scheme.PAR = q.PAR
	}
	if q.Status != 0 {
		row.Scheme.Status = uint8(q.Status)
	}
	return nil
}

// sealScheme seals a network token into a row.
func (r *Repository) sealScheme(ctx context.Context, number card.PAN, row *store.Row) error {
	l, err := r.keyed(ctx)
	if err != nil {
		return err
	}
	if !stands(row, l.read.id) { // the index key was replaced since this process looked
		if _, err := r.reread(ctx); err != nil {
			return err
		}
		if l, err = r.keyed(ctx); err != nil {
			return err
		}
	}
	if slices.Contains(row.Index, l.read.of(number)) {
		return invalid("networkToken", Invalid, "is the card's own number")
	}
	s := field(row, seal.NetworkToken)
	// A count of its own would begin anew after a deletion, and an erased value
	// that somebody kept would open again. The row's version never comes again.
	s.Generation = row.Version + 1
	s.Record, err = r.sealer.SealNumber(ctx, nil, seal.NetworkToken, number, bound(row, s))
	return err
}
