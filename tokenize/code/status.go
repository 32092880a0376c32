package code

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Status is what may be known of a code. Attempts under way count as wrong.
type Status struct {
	Created     time.Time
	Expires     time.Time // zero: never
	ReadsLeft   int       // 0: as often as is asked
	GuessesLeft int       // wrong attempts until nothing is compared any more
	// Counters are the card's own, then those of the wallets by number.
	Counters []CounterStatus
}

// StatusResult is what asking for one status of a batch came to: Status, or Err.
type StatusResult struct {
	Status Status
	Err    *tokenize.Error
}

// Status says how a code stands. It makes no attempt and is not recorded. The caller
// needs tokenize.MayVerifyCode.
func (s *Codes) Status(ctx context.Context, c tokenize.Caller, o Owner, token string) (Status, error) {
	out, err := s.StatusBatch(ctx, c, []Ref{{o, token}})
	if err != nil {
		return Status{}, err
	}
	if out[0].Err != nil {
		return Status{}, out[0].Err
	}
	return out[0].Status, nil
}

// StatusBatch is Status for many.
func (s *Codes) StatusBatch(ctx context.Context, c tokenize.Caller, refs []Ref) ([]StatusResult, error) {
	w, err := s.start(ctx, c, tokenize.CodeStatus, len(refs), func(i int) Ref { return refs[i] })
	if err != nil {
		return nil, err
	}
	out := make([]StatusResult, len(refs))
	w.each(ctx, func(i int, _ *target, c store.Code) error {
		out[i].Status = s.statusOf(&c)
		return nil
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

func (s *Codes) statusOf(c *store.Code) Status {
	st := Status{Created: time.UnixMilli(c.Created).UTC(), ReadsLeft: int(c.Reads), GuessesLeft: s.guessesLeft(c)}
	if c.Expires != 0 {
		st.Expires = time.UnixMilli(c.Expires).UTC()
	}
	for _, id := range counters {
		st.Counters = append(st.Counters, s.status(c, id))
	}
	return st
}

// Unblock clears the card's own counter and those of the wallets named, Blocked
// included. The wrong attempts that the code has had in its life stay counted. The
// caller needs tokenize.MayUnblockCode.
func (s *Codes) Unblock(ctx context.Context, c tokenize.Caller, o Owner, token string, wallets ...Counter) error {
	return one(s.UnblockBatch(ctx, c, []Ref{{o, token}}, wallets...))
}

// UnblockBatch is Unblock for many. The i-th error, where not nil, says why the i-th
// code's counters are as they were.
func (s *Codes) UnblockBatch(ctx context.Context, c tokenize.Caller, refs []Ref, wallets ...Counter) ([]*tokenize.Error, error) {
	return s.reset(ctx, c, tokenize.CodeUnblock, refs, wallets)
}

// ResetTries sets the card's own counter and those of the wallets named to zero. A
// counter that is Blocked stays so: see [Codes.Unblock]. The caller needs
// tokenize.MayUnblockCode.
func (s *Codes) ResetTries(ctx context.Context, c tokenize.Caller, o Owner, token string, wallets ...Counter) error {
	return one(s.ResetTriesBatch(ctx, c, []Ref{{o, token}}, wallets...))
}

// ResetTriesBatch is ResetTries for many, as [Codes.UnblockBatch] is Unblock.
func (s *Codes) ResetTriesBatch(ctx context.Context, c tokenize.Caller, refs []Ref, wallets ...Counter) ([]*tokenize.Error, error) {
	return s.reset(ctx, c, tokenize.CodeReset, refs, wallets)
}

func (s *Codes) reset(ctx context.Context, c tokenize.Caller, u tokenize.CodeUse, refs []Ref, wallets []Counter) ([]*tokenize.Error, error) {
	w, err := s.start(ctx, c, u, len(refs), func(i int) Ref { return refs[i] })
	if err != nil {
		return nil, err
	}
	ids := []uint16{uint16(Card)}
	for _, id := range wallets {
		if err := id.check(); err != nil {
			for i := range w.targets {
				w.targets[i].err = err // whatever the token is
			}
		}
		ids = append(ids, uint16(id))
	}
	w.each(ctx, func(_ int, t *target, _ store.Code) error {
		return s.missing(s.kept.store.ResetTries(ctx, t.id, ids, u == tokenize.CodeUnblock, s.limits, time.Now().UnixMilli()))
	})
	for i := range w.targets {
		t := &w.targets[i]
		for _, id := range wallets {
			if t.err == nil {
				e := w.event(&target{caller: t.caller, owner: t.owner, counter: id, correlation: t.correlation, subject: t.subject}, u)
				w.more = append(w.more, e)
			}
		}
		t.counter = Card
	}
	return w.errs(ctx)
}
