package code

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Candidate is what is to be compared with a code.
type Candidate struct {
	Ref     Ref
	Code    card.CVC
	Counter Counter
}

// Verified is what comparing one candidate of a batch came to: the candidate is the
// code if Err is nil. Counter is zero where nothing was compared.
type Verified struct {
	Counter CounterStatus
	Err     *tokenize.Error
}

// Verify compares a candidate with the code, and returns nil if it is the code; then
// and for [ErrWrong] the status of the counter afterwards as well. What counts, and
// what is refused uncompared ([ErrBlocked], [ErrSpent]), the package's documentation
// says. A candidate of another length than the code's is wrong like any other. One
// that is no code at all, a token whose state does not let its card be used, and
// failures before the comparison count nothing. The comparison takes the same time
// whatever the candidate. Without a record of it no result is told, though it counts.
//
// The caller needs tokenize.MayVerifyCode.
func (s *Codes) Verify(ctx context.Context, c tokenize.Caller, o Owner, token string, candidate card.CVC, by Counter) (CounterStatus, error) {
	out, err := s.VerifyBatch(ctx, c, []Candidate{{Ref{o, token}, candidate, by}})
	if err != nil {
		return CounterStatus{}, err
	}
	if out[0].Err != nil {
		return out[0].Counter, out[0].Err
	}
	return out[0].Counter, nil
}

// VerifyBatch is Verify for many, one after the other. An error means that no result
// is told.
func (s *Codes) VerifyBatch(ctx context.Context, c tokenize.Caller, candidates []Candidate) ([]Verified, error) {
	w, err := s.start(ctx, c, tokenize.CodeVerify, len(candidates), func(i int) Ref { return candidates[i].Ref })
	if err != nil {
		return nil, err
	}
	for i := range w.targets {
		t, q := &w.targets[i], &candidates[i]
		if err := q.Counter.check(); err != nil {
			t.err = err
			continue
		}
		t.counter = q.Counter
		if q.Code.IsZero() {
			t.err = invalid(card.FieldCode, tokenize.Missing, "is needed")
		}
	}
	out := make([]Verified, len(candidates))
	w.each(ctx, func(i int, t *target, c store.Code) (err error) {
		out[i].Counter, err = w.verify(ctx, t, c, candidates[i].Code)
		return err
	})
	errs, err := w.errs(ctx)
	if err != nil {
		return nil, err
	}
	for i := range out {
		out[i].Err = errs[i]
	}
	return out, nil
}

// verify makes one attempt. The code is opened first, so that a KMS that is away
// blocks no card; it is compared only when the attempt has its number.
func (w *work) verify(ctx context.Context, t *target, c store.Code, candidate card.CVC) (CounterStatus, error) {
	s, counter := w.s, uint16(t.counter)
	code, err := s.kept.open(ctx, &c)
	if err != nil {
		return CounterStatus{}, err
	}
	a, err := s.kept.store.Attempt(ctx, t.id, counter, s.limits, time.Now().UnixMilli())
	switch {
	case err != nil:
		return CounterStatus{}, s.missing(err)
	case a.Result == store.TryBlocked:
		if a.Blocks {
			w.blocks(t)
		}
		return CounterStatus{}, s.rejected("CODE_BLOCKED", ErrBlocked)
	case a.Result != store.TryTaken:
		return CounterStatus{}, s.rejected("CODE_SPENT", ErrSpent)
	}
	if a.Code.RecordID != c.RecordID { // another was put meanwhile
		if code, err = s.kept.open(ctx, &a.Code); err != nil {
			return CounterStatus{}, err
		}
	}
	right := code.Equal(candidate)
	if err := s.kept.store.Settle(ctx, t.id, a, right, s.limits); err != nil {
		return CounterStatus{}, err
	}
	blocks := a.Code.Settle(&a, right, s.limits) && !right
	st := s.status(&a.Code, t.counter)
	if right {
		return st, nil
	}
	if blocks {
		w.blocks(t)
	}
	return st, s.rejected("WRONG_CODE", ErrWrong)
}

// blocks notes that an attempt blocked its counter.
func (w *work) blocks(t *target) {
	e := w.event(t, w.use)
	e.Action = audit.BlockCode
	w.more = append(w.more, e)
}
