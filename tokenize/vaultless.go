package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// computeTokens computes the FF1 tokens of a batch's card numbers.
func (b *batch) computeTokens(ctx context.Context) error {
	f, err := b.r.ff1(ctx, b.now)
	if err != nil {
		return err
	}
	b.tokens = make([]string, len(b.reqs))
	var byLength [card.MaxLen + 1][]byte // numbers of a length, one behind the other
	for i := range b.reqs {
		if n := b.reqs[i].Card.Number; b.res[i].Err == nil && b.prep[i].hasNumber {
			byLength[n.Len()] = n.AppendDigits(byLength[n.Len()])
		}
	}
	var tokens [card.MaxLen + 1]string
	for length, numbers := range byLength {
		if len(numbers) == 0 {
			continue
		}
		made, err := f.AppendTokens(make([]byte, 0, len(numbers)), numbers, length)
		clear(numbers)
		if err != nil {
			return err
		}
		tokens[length] = string(made)
	}
	for i := range b.reqs {
		if n := b.reqs[i].Card.Number.Len(); b.res[i].Err == nil && b.prep[i].hasNumber {
			b.tokens[i], tokens[n] = tokens[n][:n], tokens[n][n:]
		}
	}
	return nil
}

// computed appends a request's FF1 token. One that was deleted is never given out
// again, and a card has no other.
func (b *batch) computed(dst []byte, i int) ([]byte, error) {
	token := b.tokens[i]
	if k, ok := b.rows[token]; ok && k.row.Status == store.Deleted {
		return nil, rejected(card.FieldNumber, "DELETED", ErrTokenDeleted)
	}
	return append(dst, token...), nil
}

// RevealVaultless gives back the card number behind an [FF1] token from the key
// alone, whether or not this store has a row of the token. Nothing else of the card
// is returned. Where there is a row, one that is not active, is over or holds a card
// that is no longer good refuses.
//
// An FF1 token has no authenticity: of ten digit strings that anybody makes up, one
// opens, to a number that was perhaps never saved. So the caller needs [MayRevealFF1]
// beside [MayReveal]; [Repository.Reveal] gives back what was saved and needs the
// latter alone. The reason is recorded as there.
func (r *Repository) RevealVaultless(ctx context.Context, c Caller, token, reason string) (card.PAN, error) {
	out, err := r.RevealVaultlessBatch(ctx, c, []string{token}, reason)
	if err != nil {
		return card.PAN{}, err
	}
	if out[0].Err != nil {
		return card.PAN{}, out[0].Err
	}
	return out[0].Card.Number, nil
}

// RevealVaultlessBatch is RevealVaultless for many tokens. A token that cannot be
// revealed is in its own result; an error means that nothing was given out.
func (r *Repository) RevealVaultlessBatch(ctx context.Context, c Caller, tokens []string, reason string) ([]Revealed, error) {
	now := time.Now()
	e := r.event(audit.RevealVaultless, &c)
	err := r.mayReveal(ctx, &c, reason, now)
	if err == nil {
		err = c.may(MayRevealFF1)
	}
	if err == nil && r.c.Generation != FF1 {
		err = invalid("generation", Unsupported, "makes no tokens that lead back without a row")
	}
	if err != nil {
		if err := r.v.record(ctx, failed(e, err)); err != nil {
			return nil, err
		}
		return nil, err
	}
	e.Reason = reason
	f, err := r.ff1(ctx, now)
	if err != nil {
		return nil, err
	}
	rows, err := r.rows(ctx, tokens)
	if err != nil {
		return nil, err
	}
	out := make([]Revealed, len(tokens))
	for i := range tokens {
		if err := allowVaultless(&rows[i], now); err != nil {
			out[i].Err = wrap(err)
			continue
		}
		var digits [card.MaxLen]byte
		number, err := f.AppendNumber(digits[:0], []byte(tokens[i]))
		if err == nil {
			out[i].Card.Number, err = card.ParsePAN(number)
		}
		clear(digits[:])
		if err != nil {
			out[i].Err = r.unknownToken()
		}
	}
	if err := r.recordVaultless(ctx, e, tokens, rows, out); err != nil {
		return nil, err
	}
	return out, nil
}

// allowVaultless refuses a token whose row does; without a row there is nothing that
// could.
func allowVaultless(row *store.Row, now time.Time) error {
	if row.Version == 0 {
		return nil
	}
	return allow(opReveal, row, now)
}

// recordVaultless writes down who is about to see what. A token without a row may be
// anything, a card number that fails Luhn included: its digest stands for it.
func (r *Repository) recordVaultless(ctx context.Context, e audit.Event, tokens []string, rows []store.Row, out []Revealed) error {
	if r.v.o.Audit == nil {
		return nil
	}
	l, err := r.keyed(ctx)
	if err != nil {
		return err
	}
	events := make([]audit.Event, len(tokens))
	for i := range events {
		e.Outcome, e.Field, e.Token, e.Unknown = audit.Done, "", rows[i].Token, ""
		if rows[i].Version == 0 {
			e.Unknown = r.unknownDigest(l, tokens[i])
		}
		if out[i].Err != nil {
			e.Outcome, e.Field = audit.Refused, out[i].Err.Field
		}
		events[i] = e
	}
	return r.v.record(ctx, events...)
}
