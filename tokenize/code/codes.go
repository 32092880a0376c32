package code

import (
	"context"
	"crypto/rand"
	"errors"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Options tunes [Codes]. The zero value is safe. All processes that serve a
// repository have the same Tries and Guesses.
type Options struct {
	// Tries is how many wrong attempts in a row a counter has before it is blocked.
	// Default 3, at most 10.
	Tries int
	// Guesses is how many wrong attempts a code has in its life, over all counters and
	// all tokens of its card. Default 15, at most 100.
	Guesses int
	// Owns is asked whether a caller may use an owner's codes with a token that is in
	// the repository: the embedding service knows its merchants' groups, sites and
	// referrers. It is not asked about a caller himself, nor about a merchant on behalf
	// of another, which is refused. Without it a caller without merchant may use every
	// owner's, and one with a merchant his own alone. It is called from many
	// goroutines.
	Owns func(ctx context.Context, c tokenize.Caller, o Owner, token string) (bool, error)
	// CorrelationID gives the correlation ID of a call, up to 255 bytes of printable
	// ASCII, which errors and events have. Default 26 random letters and digits.
	CorrelationID func(ctx context.Context) string
}

// Codes keeps the security codes of one repository's cards.
type Codes struct {
	a      tokenize.CodeAccess
	kept   *kept
	o      Options
	limits store.TryLimits
	detach func()
}

// Open returns the service of a repository's codes. From then on codes that come with
// a saved card are kept ([tokenize.SaveRequest]), and a token's are erased when it is
// deleted, through every Repository of the same vault. A repository has one such
// service at a time.
func Open(ctx context.Context, r *tokenize.Repository, p Policy, o *Options) (*Codes, error) {
	if r == nil || p == nil {
		return nil, invalid("repository", tokenize.Missing, "and a policy are needed")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &Codes{a: r.CodeAccess()}
	if o != nil {
		s.o = *o
	}
	for _, n := range []struct {
		field        string
		value        *int
		normal, high int
	}{{"tries", &s.o.Tries, 3, 10}, {"guesses", &s.o.Guesses, 15, 100}} {
		if *n.value == 0 {
			*n.value = n.normal
		}
		if *n.value < 1 || *n.value > n.high {
			return nil, invalid(n.field, tokenize.Invalid, "is outside its bounds")
		}
	}
	s.limits = store.TryLimits{Tries: uint32(s.o.Tries), Guesses: uint32(s.o.Guesses)}
	var err error
	if s.kept, err = p.keep(r); err != nil {
		return nil, err
	}
	if s.detach, err = s.a.Attach(keeper{s}); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends what [Open] began: codes that come with cards are not kept any more. It
// erases nothing.
func (s *Codes) Close() { s.detach() }

// correlation is the ID of a call.
func (s *Codes) correlation(ctx context.Context) string {
	if s.o.CorrelationID != nil {
		return s.o.CorrelationID(ctx)
	}
	return rand.Text() // no digits but 2 to 7: in hexadecimal ones a card number turns up
}

// keeper is what package tokenize calls.
type keeper struct{ s *Codes }

// KeepCodes asks for the codes that came again once the others are put: the first call
// may have come in the same batch.
func (k keeper) KeepCodes(ctx context.Context, codes []tokenize.CodeToKeep) []error {
	errs := make([]error, len(codes))
	for _, again := range []bool{false, true} {
		var part []tokenize.CodeToKeep
		var from []int
		for i := range codes {
			if codes[i].Again == again {
				part, from = append(part, codes[i]), append(from, i)
			}
		}
		if len(part) == 0 {
			continue
		}
		for j, err := range k.keep(ctx, part, again) {
			errs[from[j]] = err
		}
	}
	return errs
}

// keep puts codes, or asks whether there are any, which is not recorded.
func (k keeper) keep(ctx context.Context, codes []tokenize.CodeToKeep, again bool) []error {
	use := tokenize.CodePut
	if again {
		use = tokenize.CodeStatus
	}
	w := k.s.work(ctx, use)
	plain := make([]card.CVC, len(codes))
	for i := range codes {
		c := &codes[i]
		plain[i] = c.Code
		w.add(&c.Caller, Ref{Token: c.Token}).correlation = c.CorrelationID
	}
	err := w.find(ctx)
	switch {
	case err == nil && again:
		w.each(ctx, func(int, *target, store.Code) error { return nil })
	case err == nil:
		err = w.put(ctx, plain)
	}
	if err != nil {
		err = w.failed(ctx, err)
	} else {
		err = w.record(ctx)
	}
	errs := make([]error, len(codes))
	for i := range errs {
		if errs[i] = err; err == nil && w.targets[i].err != nil {
			errs[i] = w.targets[i].err
		}
		if again && errors.Is(errs[i], tokenize.ErrTokenNotFound) {
			errs[i] = k.s.rejected("CODE_NOT_KEPT", errAgain)
		}
	}
	return errs
}

func (k keeper) EraseCodes(ctx context.Context, token string) error {
	return k.s.kept.store.EraseToken(ctx, k.s.kept.scope, token)
}
