package tokenize

import (
	"context"
	"errors"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// SchemeAction is what can be done to a scheme token. The zero value is invalid.
type SchemeAction uint8

const (
	ActivateScheme SchemeAction = iota + 1
	SuspendScheme
	DeleteScheme
)

var schemeActionNames = [...]string{ActivateScheme: "ACTIVATE", SuspendScheme: "SUSPEND", DeleteScheme: "DELETE"}

// String is the action as the published interfaces spell it.
func (a SchemeAction) String() string { return name(schemeActionNames[:], int(a)) }

// MarshalText writes the published spelling.
func (a SchemeAction) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the published spelling.
func (a *SchemeAction) UnmarshalText(b []byte) error {
	n, err := parse(schemeActionNames[:], string(b), "schemeAction")
	*a = SchemeAction(n)
	return err
}

// done is the status that an action leads to.
func (a SchemeAction) done() SchemeStatus {
	return [...]SchemeStatus{ActivateScheme: SchemeActive, SuspendScheme: SchemeSuspended, DeleteScheme: SchemeDeleted}[a]
}

func (a SchemeAction) event() audit.Action {
	return [...]audit.Action{ActivateScheme: audit.ActivateScheme, SuspendScheme: audit.SuspendScheme,
		DeleteScheme: audit.DeleteScheme}[a]
}

// TokenService carries out actions on scheme tokens, at the network or whoever
// issued them. The embedding service supplies it.
//
// Act may be called again for what it carried out before, and then answers nil: an
// action is complete when it was called last, not when it was called once. It
// returns an error for which errors.Is says [ErrSchemeRefused] where the action is
// refused for good; every other error, a panic and an answer after the deadline are
// worth another try. Errors are not passed on. It is called as a [Verifier] is.
type TokenService interface {
	Act(ctx context.Context, q SchemeActionRequest) error
}

// SchemeActionRequest is what a [TokenService] is told. The number prints masked.
type SchemeActionRequest struct {
	Action     SchemeAction
	Number     card.PAN // the network token
	Expiry     card.Expiry
	PAR        string
	Repository string
	Requestor  string
	Token      string
}

// ActOnSchemeToken has the vault's [TokenService] carry out an action, and writes
// down the status that it leads to; a deleted scheme token is erased as by
// [Repository.SetSchemeToken]. The caller needs [MayUpdate] and is the requestor.
//
// The service is called first, and the store claims nothing that the service has not
// confirmed. Where the call ends in between, the stored status is the one before:
// the same call again calls the service again and writes. The service is called
// whatever status is stored, and anew where others wrote meanwhile, so that of two
// actions at once the one that was called last is the one that is written last. A
// deleted scheme token stays deleted: to delete it again is no error and calls
// nobody.
func (r *Repository) ActOnSchemeToken(ctx context.Context, c Caller, token string, a SchemeAction) (SchemeToken, error) {
	if a < ActivateScheme || a > DeleteScheme {
		return SchemeToken{}, invalid("schemeAction", Invalid, "is not a known action")
	}
	s := &schemeChange{r: r, caller: &c, token: token, action: a.event()}
	return s.run(ctx, func(row *store.Row) error {
		if r.v.o.TokenService == nil {
			return invalid("schemeAction", Unsupported, "needs a token service, which this service has not")
		}
		gone := SchemeStatus(row.Scheme.Status) == SchemeDeleted && row.Scheme.Requestor == c.Merchant
		switch {
		case gone && a == DeleteScheme:
			return nil
		case gone:
			return rejected("schemeToken", "DELETED", ErrSchemeDeleted)
		case !hasScheme(row):
			return noScheme()
		}
		if err := r.act(ctx, a, row); err != nil {
			return err
		}
		if a == DeleteScheme {
			deleteScheme(row)
			return nil
		}
		row.Scheme.Status = uint8(a.done())
		return nil
	})
}

// act calls the token service about a row's scheme token.
func (r *Repository) act(ctx context.Context, a SchemeAction, row *store.Row) error {
	number, err := r.openScheme(ctx, row)
	if err != nil {
		return err
	}
	q := SchemeActionRequest{
		Action: a, Number: number, Expiry: expiryOf(row.Scheme.Expiry), PAR: row.Scheme.PAR,
		Repository: r.c.ID, Requestor: row.Scheme.Requestor, Token: row.Token,
	}
	_, err = askService(ctx, r.v.services, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, r.v.o.TokenService.Act(ctx, q)
	})
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, ErrSchemeRefused):
		return rejected("schemeAction", "SCHEME_REFUSED", ErrSchemeRefused)
	}
	return &Error{Cause: ServerBusy, SupportCode: "TOKEN_SERVICE", Explanation: "the token service did not answer"}
}

// openScheme opens a row's network token.
func (r *Repository) openScheme(ctx context.Context, row *store.Row) (card.PAN, error) {
	for i := range row.Sealed {
		if s := &row.Sealed[i]; seal.Field(s.Field) == seal.NetworkToken {
			return r.sealer.OpenNumber(ctx, s.Record, seal.NetworkToken, bound(row, s))
		}
	}
	return card.PAN{}, damaged("a row has no network token")
}
