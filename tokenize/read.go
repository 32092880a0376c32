package tokenize

import (
	"context"
	"encoding/hex"
	"time"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Get returns what may be known of a token without its card: no KMS call is
// made. A deleted token has its status alone; a suspended one, and one whose last
// day is over, are told of in full.
func (r *Repository) Get(ctx context.Context, c Caller, token string) (Details, error) {
	if err := r.admit(ctx, &c, rules[opGet].needs, time.Now()); err != nil {
		return Details{}, err
	}
	row, err := r.row(ctx, token)
	if err != nil {
		return Details{}, err
	}
	return r.details(&row), nil
}

// GetWithHolder is Get and the holder's name, which is sealed: a KMS call may be
// made, and without a record of it no name is given out. It is empty where none is
// stored, and for a token that was deleted or whose last day is over.
func (r *Repository) GetWithHolder(ctx context.Context, c Caller, token string) (d Details, holder string, err error) {
	now := time.Now()
	if err := r.admit(ctx, &c, rules[opHolder].needs, now); err != nil {
		return Details{}, "", err
	}
	row, err := r.row(ctx, token)
	if err != nil {
		return Details{}, "", err
	}
	if allow(opHolder, &row, now) != nil {
		return r.details(&row), "", nil
	}
	for i := range row.Sealed {
		if s := &row.Sealed[i]; seal.Field(s.Field) == seal.Holder {
			holder, err = r.sealer.OpenText(ctx, s.Record, seal.Holder, bound(&row, s))
		}
	}
	e := r.event(rules[opHolder].action, &c)
	e.Token = row.Token
	if err != nil {
		e = failed(e, err)
	}
	if aerr := r.v.record(ctx, e); aerr != nil && err == nil {
		err = aerr
	}
	if err != nil {
		return Details{}, "", wrap(err)
	}
	return r.details(&row), holder, nil
}

// row fetches a token's row, or says that there is none.
func (r *Repository) row(ctx context.Context, token string) (store.Row, error) {
	if !generate.Valid(r.c.Generation, token) {
		return store.Row{}, r.unknownToken()
	}
	rows, err := r.v.cards.Get(ctx, r.scope, []string{token})
	if err != nil {
		return store.Row{}, wrap(err)
	}
	if rows[0].Version == 0 {
		return store.Row{}, r.unknownToken()
	}
	return rows[0], nil
}

// unknownDigest stands for a token that was not found, in 32 hexadecimal digits.
func (r *Repository) unknownDigest(l *lookup, token string) string {
	d := l.digest("unknown token", []byte(token))
	return hex.EncodeToString(d[:16])
}

// Revealed is what revealing one token of a batch came to: Card, or Err.
type Revealed struct {
	Card card.Details
	Err  *Error
}

// Reveal gives back the card behind a token: number, expiry, holder and e-mail. The
// caller needs [MayReveal] and states a reason of 1 to 255 bytes of printable
// ASCII, which is recorded. Without a record of it nothing is given out. A token
// that was deleted ([ErrTokenDeleted]), whose last day is over ([ErrTokenExpired]),
// that is suspended ([ErrTokenSuspended]) or whose card is no longer good
// ([ErrTokenInvalid]) gives none.
//
// A reveal is a use. Its time is written down at most once a minute and token, which
// raises the token's version; a reveal is not refused because that fails.
func (r *Repository) Reveal(ctx context.Context, c Caller, token, reason string) (card.Details, error) {
	out, err := r.RevealBatch(ctx, c, []string{token}, reason)
	if err != nil {
		return card.Details{}, err
	}
	if out[0].Err != nil {
		return card.Details{}, out[0].Err
	}
	return out[0].Card, nil
}

// RevealBatch is Reveal for many tokens. A token that cannot be revealed is in
// its own result; an error means that nothing was given out.
func (r *Repository) RevealBatch(ctx context.Context, c Caller, tokens []string, reason string) ([]Revealed, error) {
	now := time.Now()
	err := r.mayReveal(ctx, &c, reason, now)
	if err != nil {
		if err := r.v.record(ctx, failed(r.event(rules[opReveal].action, &c), err)); err != nil {
			return nil, err
		}
		return nil, err
	}
	out := make([]Revealed, len(tokens))
	rows, err := r.rows(ctx, tokens)
	if err != nil {
		return nil, err
	}
	for i := range tokens {
		if rows[i].Version == 0 {
			out[i].Err = r.unknownToken()
			continue
		}
		if err = allow(opReveal, &rows[i], now); err == nil {
			out[i].Card, err = r.open(ctx, &rows[i])
		}
		if err != nil {
			out[i].Err = wrap(err)
		}
	}
	if err := r.recordReveal(ctx, c, tokens, reason, rows, out); err != nil {
		return nil, err
	}
	r.noteUse(ctx, rows, out, now)
	return out, nil
}

// mayReveal is what every call needs that gives a number out.
func (r *Repository) mayReveal(ctx context.Context, c *Caller, reason string, now time.Time) error {
	switch err := r.admit(ctx, c, rules[opReveal].needs, now); {
	case err != nil:
		return err
	case reason == "":
		return invalid("reason", Missing, "is needed")
	case !isPrintable(reason, 255):
		return invalid("reason", Invalid, "must be 1 to 255 bytes of printable ASCII and name no card number")
	}
	return nil
}

// rows fetches many rows; what cannot be a token is not asked for.
func (r *Repository) rows(ctx context.Context, tokens []string) ([]store.Row, error) {
	asked, at := make([]string, 0, len(tokens)), make([]int, 0, len(tokens))
	for i, t := range tokens {
		if generate.Valid(r.c.Generation, t) {
			asked, at = append(asked, t), append(at, i)
		}
	}
	got, err := r.v.cards.Get(ctx, r.scope, asked)
	if err != nil {
		return nil, wrap(err)
	}
	if len(got) == len(tokens) {
		return got, nil
	}
	rows := make([]store.Row, len(tokens))
	for k, i := range at {
		rows[i] = got[k]
	}
	return rows, nil
}

// open opens the sealed values of a row.
func (r *Repository) open(ctx context.Context, row *store.Row) (card.Details, error) {
	var d card.Details
	for i := range row.Sealed {
		s := &row.Sealed[i]
		var err error
		switch seal.Field(s.Field) {
		case seal.PAN:
			d.Number, err = r.sealer.OpenNumber(ctx, s.Record, seal.PAN, bound(row, s))
		case seal.Holder:
			d.Holder, err = r.sealer.OpenText(ctx, s.Record, seal.Holder, bound(row, s))
		case seal.Email:
			d.Email, err = r.sealer.OpenText(ctx, s.Record, seal.Email, bound(row, s))
		}
		if err != nil {
			return card.Details{}, err
		}
	}
	if d.Number.IsZero() {
		return card.Details{}, damaged("a row has no card number")
	}
	d.Expiry = expiryOf(row.Expiry)
	return d, nil
}

// recordReveal writes down who is about to see what.
func (r *Repository) recordReveal(ctx context.Context, c Caller, tokens []string, reason string, rows []store.Row, out []Revealed) error {
	if r.v.o.Audit == nil {
		return nil
	}
	l, err := r.keyed(ctx)
	if err != nil {
		return err
	}
	events := make([]audit.Event, len(tokens))
	for i := range events {
		e := &events[i]
		*e = audit.Event{
			Action: audit.Reveal, Outcome: audit.Done, Repository: r.c.ID,
			Merchant: c.Merchant, Owner: c.Owner, Reason: reason, Token: rows[i].Token,
		}
		if rows[i].Version == 0 {
			e.Unknown = r.unknownDigest(l, tokens[i])
		}
		if out[i].Err != nil {
			e.Outcome, e.Field = audit.Refused, out[i].Err.Field
			if serverSide(out[i].Err) {
				e.Outcome = audit.Failed
			}
		}
	}
	return r.v.record(ctx, events...)
}
