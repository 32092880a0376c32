package tokenize

import (
	"context"
	"slices"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Limits of a scheme token.
const (
	maxNetworkToken = 16 // digits; the fewest are card.MinLen
	maxPAR          = 50 // characters; EMVCo's payment account references have 29
)

// SchemeStatus is where a scheme token is in its life. Its number is stored; the
// zero value means that there is none.
type SchemeStatus uint8

const (
	SchemeValid SchemeStatus = iota + 1
	SchemeActive
	SchemeSuspended
	SchemeDeleted
)

var schemeStatusNames = [...]string{SchemeValid: "VALID", SchemeActive: "ACTIVE",
	SchemeSuspended: "SUSPENDED", SchemeDeleted: "DELETED"}

// String is the status as the published interfaces spell it.
func (s SchemeStatus) String() string { return name(schemeStatusNames[:], int(s)) }

// MarshalText writes the published spelling.
func (s SchemeStatus) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the published spelling.
func (s *SchemeStatus) UnmarshalText(b []byte) error {
	n, err := parse(schemeStatusNames[:], string(b), "schemeStatus")
	*s = SchemeStatus(n)
	return err
}

// SchemeToken is what may be known of a scheme token, a network's own token for the
// card, without its number.
type SchemeToken struct {
	Status SchemeStatus
	// For the requestor alone; others see the status and nothing else.
	Expiry card.Expiry
	PAR    string // payment account reference
}

// schemeChange is a change of a row's scheme token at work.
type schemeChange struct {
	r      *Repository
	caller *Caller
	token  string
	expect uint64 // the row's version, or 0 for whichever
	action audit.Action
}

// run checks and records a change. plan fills it into the row that was read, and is
// called again where others wrote in between.
func (s *schemeChange) run(ctx context.Context, plan func(row *store.Row) error) (SchemeToken, error) {
	if err := s.r.admit(ctx, s.caller, MayUpdate, time.Now()); err != nil {
		return SchemeToken{}, err
	}
	row, err := s.write(ctx, plan)
	if aerr := s.r.recordScheme(ctx, s.action, s.caller, s.token, "", err); aerr != nil && err == nil {
		err = aerr
	}
	if err != nil && row.Version == 0 {
		return SchemeToken{}, wrap(err)
	}
	if err != nil {
		return schemeOf(&row), wrap(err)
	}
	return schemeOf(&row), nil
}

// maxSchemeRounds bounds how often a change is carried out anew because others
// wrote in between.
const maxSchemeRounds = 8

// write reads, plans and writes until nobody wrote in between. The row it returns
// was written.
func (s *schemeChange) write(ctx context.Context, plan func(row *store.Row) error) (none store.Row, err error) {
	r := s.r
	if !r.c.SchemeTokens {
		return none, invalid("schemeToken", Unsupported, "is not allowed in this repository")
	}
	if s.caller.Merchant == "" {
		return none, invalid("merchant", Missing, "is needed: it is the scheme token's requestor")
	}
	fenced := 0
	for range maxSchemeRounds {
		row, err := r.row(ctx, s.token)
		if err == nil {
			err = allow(opUpdate, &row, time.Now())
		}
		switch {
		case err != nil:
			return none, err
		case s.expect != 0 && s.expect != row.Version:
			return none, rejected("token", "VERSION", ErrConflict)
		case hasScheme(&row) && row.Scheme.Requestor != s.caller.Merchant:
			return none, rejected("merchant", "REQUESTOR", ErrRequestor)
		}
		if err := plan(&row); err != nil {
			return none, err
		}
		row.Updated, row.UpdatedBy = time.Now().UnixMilli(), s.caller.by()
		for i := range row.Sealed {
			id, ok := envelope.StoredKeyID(row.Sealed[i].Record)
			if !ok {
				return none, damaged("a sealed value is not in stored mode")
			}
			if err := r.v.openFence(ctx, id); err != nil {
				return none, err
			}
		}
		out, err := r.replace(ctx, store.Write{Row: row})
		if err != nil {
			return none, err
		}
		switch out[0].Result {
		case store.Written:
			return row, nil
		case store.Fenced:
			if fenced++; fenced == maxFenced {
				return none, errFenced()
			}
			r.v.forgetFence(out[0].Key)
			r.sealer.Refresh()
		}
	}
	return none, conflict()
}

// hasScheme reports whether a row has a scheme token that was not deleted.
func hasScheme(row *store.Row) bool {
	return row.Scheme.Status != 0 && SchemeStatus(row.Scheme.Status) != SchemeDeleted
}

// schemeOf is a row's scheme token for its requestor.
func schemeOf(row *store.Row) SchemeToken {
	return SchemeToken{
		Status: SchemeStatus(row.Scheme.Status), Expiry: expiryOf(row.Scheme.Expiry), PAR: row.Scheme.PAR,
	}
}

// dropScheme takes the scheme token out of a row, whose sealed values are its own.
func dropScheme(row *store.Row) {
	row.Scheme = store.Scheme{}
	row.Sealed = slices.DeleteFunc(row.Sealed, func(s store.Sealed) bool { return s.Field == byte(seal.NetworkToken) })
}

// deleteScheme does so and keeps that there was one, and whose.
func deleteScheme(row *store.Row) {
	requestor := row.Scheme.Requestor
	dropScheme(row)
	row.Scheme = store.Scheme{Status: uint8(SchemeDeleted), Requestor: requestor}
}

// recordScheme writes down what became of a call on a scheme token. A token that was
// not found stands as a keyed digest.
func (r *Repository) recordScheme(ctx context.Context, a audit.Action, c *Caller, token, reason string, err error) error {
	if r.v.o.Audit == nil {
		return nil
	}
	e := audit.Event{Action: a, Outcome: audit.Done, Repository: r.c.ID, Reason: reason}
	if c.may(0) == nil { // a malformed caller is not written down
		e.Merchant, e.Owner = c.Merchant, c.Owner
	}
	switch {
	case err == nil:
		e.Token = token
		return r.v.record(ctx, e)
	case serverSide(err):
		e.Outcome = audit.Failed
	default:
		e.Outcome, e.Field = audit.Refused, wrap(err).Field
	}
	l, lerr := r.keyed(ctx)
	if lerr != nil {
		return lerr
	}
	e.Unknown = r.unknownDigest(l, token)
	return r.v.record(ctx, e)
}
