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
	return s.reset(ctx, c, tokenize.CodeUnblock, Ref{o, token}, wallets)
}

// ResetTries sets the card's own counter and those of the wallets named to zero. A
// counter that is Blocked stays so: see [Codes.Unblock]. The caller needs
// tokenize.MayUnblockCode.
func (s *Codes) ResetTries(ctx context.Context, c tokenize.Caller, o Owner, token string, wallets ...Counter) error {
	return s.reset(ctx, c, tokenize.CodeReset, Ref{o, token}, wallets)
}

func (s *Codes) reset(ctx context.Context, c tokenize.Caller, u tokenize.CodeUse, ref Ref, wallets []Counter) error {
	w, err := s.start(ctx, c, u, 1, func(int) Ref { return ref })
	if err != nil {
		return err
	}
	t, ids := &w.targets[0], []uint16{uint16(Card)}
	for _, id := range wallets {
		if err := id.check(); err != nil {
			t.err = err // whatever the token is
		}
		ids = append(ids, uint16(id))
	}
	w.each(ctx, func(int, *target, store.Code) error {
		return s.missing(s.kept.store.ResetTries(ctx, t.id, ids, u == tokenize.CodeUnblock, s.limits, time.Now().UnixMilli()))
	})
	if t.err == nil {
		for _, id := range wallets {
			e := w.event(&target{caller: t.caller, owner: t.owner, counter: id, correlation: t.correlation, subject: t.subject}, u)
			w.more = append(w.more, e)
		}
	}
	t.counter = Card
	return one(w.errs(ctx))
}
