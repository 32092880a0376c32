package tokenize

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/tokenize/card"
)

// CodeKeeper keeps the security codes of a repository's cards. Package code has it;
// it is attached with [CodeAccess.Attach].
type CodeKeeper interface {
	// KeepCodes keeps codes that came with cards, which are saved by now, each for its
	// caller, and returns as many errors. One that came again it does not keep: nil says
	// of it that the caller has a code for the card.
	KeepCodes(ctx context.Context, codes []CodeToKeep) []error
	// EraseCodes erases the codes that were stored through a token.
	EraseCodes(ctx context.Context, token string) error
}

// CodeToKeep is a security code that came with a card.
type CodeToKeep struct {
	Caller        Caller
	Token         string
	Code          card.CVC
	CorrelationID string
	Again         bool // the card was saved before, under its idempotency key
}

func (r *Repository) keeper() CodeKeeper {
	k, _ := r.v.keepers.Load(r.scope)
	keeper, _ := k.(CodeKeeper)
	return keeper
}

// keeps reports whether a request has a security code that is to be kept. Whoever
// passes an encrypted card on does not know that it has one: without his leave to keep
// it, it is not.
func (r *Repository) keeps(q *SaveRequest) bool {
	return !q.Card.Code.IsZero() && q.Types != Analytics && r.keeper() != nil &&
		(q.Encrypted == nil || q.Caller.may(rules[opPutCode].needs) == nil)
}

// keepCodes has the security codes of cards that were saved kept. Of a card that was
// sent before under its idempotency key the code is not kept again, though perhaps just
// this failed: a call that is late must not bring back a code that was erased since, nor
// undo another and the attempts that were counted at it. Whether a code is there is asked.
func (b *batch) keepCodes(ctx context.Context) {
	var codes []CodeToKeep
	var from []int
	for i := range b.reqs {
		q := &b.reqs[i]
		if b.prep[i].keep && b.res[i].Err == nil {
			codes = append(codes, CodeToKeep{q.Caller, b.res[i].Details.Token, q.Card.Code, q.CorrelationID, b.res[i].Details.Outcome == Replayed})
			from = append(from, i)
		}
	}
	if len(codes) == 0 {
		return
	}
	keeper := b.r.keeper()
	if keeper == nil { // closed meanwhile
		for _, i := range from {
			b.notKept(i, errKeeperClosed)
		}
		return
	}
	for k, err := range keeper.KeepCodes(ctx, codes) {
		if err != nil {
			b.notKept(from[k], err)
		}
	}
	b.one[0].Card.Code = card.CVC{}
}

func (b *batch) notKept(i int, err error) {
	e := *wrap(err)
	e.Field, e.SupportCode, e.Explanation = card.FieldCode, "CODE_NOT_KEPT", trim(ErrCodeNotKept)+": "+e.Explanation
	e.Kind, e.err = 0, fmt.Errorf("%w: %w", ErrCodeNotKept, err)
	b.res[i].Err = fault(&e, b.reqs[i].CorrelationID)
}

// eraseCodes erases the codes that were stored through a token.
func (r *Repository) eraseCodes(ctx context.Context, token string) error {
	var err error
	switch keeper := r.keeper(); {
	case r.c.IssuerCodes && r.v.o.IssuerCodes == nil:
		return noCodeStore("token")
	case r.c.IssuerCodes:
		err = r.v.o.IssuerCodes.EraseToken(ctx, r.scope, token)
	case keeper != nil:
		err = keeper.EraseCodes(ctx, token)
	}
	if err != nil {
		return wrap(err)
	}
	return nil
}

func noCodeStore(field string) error {
	e := rejected(field, "NO_CODE_STORE", ErrNoCodeStore)
	e.Kind = Unsupported
	return e
}

// errKeeperClosed: the service was closed while a save was under way.
var errKeeperClosed = errors.New("tokenize: the service of security codes was closed")
