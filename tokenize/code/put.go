package code

import (
	"context"
	"fmt"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Put is a code to be kept.
type Put struct {
	Ref  Ref
	Code card.CVC
}

// Put keeps a code, in place of the one the owner has for the card, whose counters end
// with it. It has as many digits as cards of the token's brand carry: 4 for American
// Express, none for UATP, 3 for the others, and 3 or 4 where the brand is unknown. The
// caller needs tokenize.MaySaveCode.
func (s *Codes) Put(ctx context.Context, c tokenize.Caller, o Owner, token string, code card.CVC) error {
	return one(s.PutBatch(ctx, c, []Put{{Ref{o, token}, code}}))
}

// PutBatch is Put for many, in order. The i-th error, where not nil, says why the i-th
// was not kept; an error besides means that none was, but for
// tokenize.ErrOutcomeUnknown and tokenize.ErrAudit.
func (s *Codes) PutBatch(ctx context.Context, c tokenize.Caller, puts []Put) ([]*tokenize.Error, error) {
	w, err := s.start(ctx, c, tokenize.CodePut, len(puts), func(i int) Ref { return puts[i].Ref })
	if err != nil {
		return nil, err
	}
	codes := make([]card.CVC, len(puts))
	for i := range puts {
		codes[i] = puts[i].Code
	}
	if err := w.put(ctx, codes); err != nil {
		return nil, w.failed(ctx, err)
	}
	return w.errs(ctx)
}

// put keeps the targets' codes.
func (w *work) put(ctx context.Context, codes []card.CVC) error {
	for i := range w.targets {
		t := &w.targets[i]
		if t.err == nil {
			t.err = t.subject.Allows(w.use)
		}
		if t.err == nil {
			t.err = codes[i].CheckFor(t.subject.Brand)
		}
	}
	k := w.s.kept
	err := k.written(func() error {
		var fresh []store.Code
		for i := range w.targets {
			t := &w.targets[i]
			if t.err != nil {
				continue
			}
			c, err := k.fresh(ctx, t.id, t.subject.Token, codes[i], w.now)
			if err == nil {
				err = k.fences.cross(ctx, c.Record)
			}
			if err != nil {
				return err
			}
			fresh = append(fresh, c)
		}
		if len(fresh) == 0 {
			return nil
		}
		return k.store.PutCodes(ctx, fresh)
	})
	if err != nil || k.ttl > 0 {
		return err
	}
	if err := w.takeBack(ctx); err != nil {
		return fmt.Errorf("%w: %w", tokenize.ErrOutcomeUnknown, err)
	}
	return nil
}

// takeBack erases codes whose token was deleted while they were being put. Its
// deletion erased what was there then; these would stay for good.
func (w *work) takeBack(ctx context.Context) error {
	tokens := make([]string, len(w.targets))
	for i := range w.targets {
		tokens[i] = w.targets[i].ref.Token
	}
	deleted, err := w.s.a.Deleted(ctx, tokens)
	if err != nil {
		return err
	}
	for i := range w.targets {
		if t := &w.targets[i]; t.err == nil && deleted[i] {
			if err := w.s.kept.store.EraseToken(ctx, w.s.kept.scope, t.subject.Token); err != nil {
				return err
			}
			t.err = w.s.a.Rejected("token", "DELETED", tokenize.ErrTokenDeleted)
		}
	}
	return nil
}
