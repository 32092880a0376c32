package tokenize

import (
	"context"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Clear names details to be taken away from a token; combine with |. What is
// neither given nor named in it stays as it is.
type Clear uint8

const (
	ClearExpiry Clear = 1 << iota // of the card; refused where a repository demands one
	ClearHolder
	ClearEmail
	ClearTokenExpiry

	clearAll = ClearExpiry | ClearHolder | ClearEmail | ClearTokenExpiry
)

// checkChanges refuses a token expiry that is no day, and what is both given and to
// be taken away.
func (q *SaveRequest) checkChanges() error {
	if !q.TokenExpiry.IsZero() {
		if err := q.TokenExpiry.check(); err != nil {
			return err
		}
	}
	switch c := q.Clear; {
	case c == 0:
		return nil
	case c&^clearAll != 0:
		return invalid("clear", Unsupported, "names a detail that is not known")
	case c&ClearExpiry != 0 && !q.Card.Expiry.IsZero():
		return both(card.FieldExpiry)
	case c&ClearHolder != 0 && q.Card.Holder != "":
		return both(card.FieldHolder)
	case c&ClearEmail != 0 && q.Card.Email != "":
		return both(card.FieldEmail)
	case c&ClearTokenExpiry != 0 && !q.TokenExpiry.IsZero():
		return both(fieldTokenExpiry)
	}
	return nil
}

func both(field string) error { return invalid(field, Invalid, "is both given and to be cleared") }

// changeDates sets and clears what a row has in clear, and reports whether anything
// became different.
func changeDates(row *store.Row, q *SaveRequest) bool {
	expiry, expires := row.Expiry, row.Expires
	if e := expiryNumber(q.Card.Expiry); e != 0 {
		expiry = e
	}
	if e := endOf(q.TokenExpiry); e != 0 {
		expires = e
	}
	if q.Clear&ClearExpiry != 0 {
		expiry = 0
	}
	if q.Clear&ClearTokenExpiry != 0 {
		expires = 0
	}
	changed := expiry != row.Expiry || expires != row.Expires
	row.Expiry, row.Expires = expiry, expires
	return changed
}

// of reports whether a row has a sealed text that is to be taken away.
func (c Clear) of(row *store.Row) bool {
	return c&ClearHolder != 0 && has(row, seal.Holder) || c&ClearEmail != 0 && has(row, seal.Email)
}

// sealTexts seals holder and e-mail into a row where they are given. One that is
// taken away is sealed as an empty text: its generation goes on rising, so that the
// old value opens no more.
func (r *Repository) sealTexts(ctx context.Context, row *store.Row, c *card.Details, clear Clear) error {
	for _, t := range [...]struct {
		field seal.Field
		text  string
		clear bool
	}{
		{seal.Holder, c.Holder, clear&ClearHolder != 0},
		{seal.Email, c.Email, clear&ClearEmail != 0},
	} {
		if t.text == "" && !(t.clear && has(row, t.field)) {
			continue
		}
		s := field(row, t.field)
		out, err := r.sealer.SealText(ctx, nil, t.field, t.text, bound(row, s))
		if err != nil {
			return err
		}
		s.Record = out
	}
	return nil
}

// has reports whether a row has a sealed value of that field.
func has(row *store.Row, f seal.Field) bool {
	for i := range row.Sealed {
		if row.Sealed[i].Field == byte(f) {
			return true
		}
	}
	return false
}
