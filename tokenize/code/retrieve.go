package code

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Retrieved is what asking for one code of a batch came to: Code, or Err.
type Retrieved struct {
	Code card.CVC
	Err  *tokenize.Error
}

// Retrieve gives a code back and counts the reading; the last one that is allowed
// erases it ([TransientOptions].MaxReads). A token that is suspended, expired or whose
// card is no longer good gives none, nor does a code whose own counter is [Blocked] or
// that has had all its attempts ([ErrSpent]). Without a record of it nothing is given out. The caller needs
// tokenize.MayRevealCode.
func (s *Codes) Retrieve(ctx context.Context, c tokenize.Caller, o Owner, token string) (card.CVC, error) {
	out, err := s.RetrieveBatch(ctx, c, []Ref{{o, token}})
	if err != nil {
		return card.CVC{}, err
	}
	if out[0].Err != nil {
		return card.CVC{}, out[0].Err
	}
	return out[0].Code, nil
}

// RetrieveBatch is Retrieve for many. A code that is not given out is in its own
// result; an error means that none was.
func (s *Codes) RetrieveBatch(ctx context.Context, c tokenize.Caller, refs []Ref) ([]Retrieved, error) {
	w, err := s.start(ctx, c, tokenize.CodeRetrieve, len(refs), func(i int) Ref { return refs[i] })
	if err != nil {
		return nil, err
	}
	codes := make([]card.CVC, len(refs))
	w.each(ctx, func(i int, t *target, c store.Code) (err error) {
		codes[i], err = w.retrieve(ctx, t, c)
		return err
	})
	errs, err := w.errs(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Retrieved, len(refs))
	for i := range out {
		out[i] = Retrieved{codes[i], errs[i]}
	}
	return out, nil
}

// retrieve opens a code before it counts the reading, so that a KMS that is away does
// not cost the code.
func (w *work) retrieve(ctx context.Context, t *target, c store.Code) (card.CVC, error) {
	code, err := w.readable(ctx, &c)
	if err != nil {
		return card.CVC{}, err
	}
	// Its time may have come since it was found, or come while it is read.
	read, err := w.s.kept.store.ReadCode(ctx, t.id, time.Now().UnixMilli())
	if err == nil && read.RecordID != c.RecordID { // another was put meanwhile
		code, err = w.readable(ctx, &read)
	} else if err == nil {
		err = w.blocked(&read)
	}
	if err == nil && read.Expired(time.Now().UnixMilli()) {
		err = store.ErrNotFound
	}
	if err != nil {
		return card.CVC{}, w.s.missing(err)
	}
	return code, nil
}

func (w *work) readable(ctx context.Context, c *store.Code) (card.CVC, error) {
	if err := w.blocked(c); err != nil {
		return card.CVC{}, err
	}
	return w.s.kept.open(ctx, c)
}

func (w *work) blocked(c *store.Code) error {
	switch {
	case w.s.guessesLeft(c) == 0: // which Unblock does not end
		return w.s.rejected("CODE_SPENT", ErrSpent)
	case w.s.status(c, Card).State == Blocked:
		return w.s.rejected("CODE_BLOCKED", ErrBlocked)
	}
	return nil
}
