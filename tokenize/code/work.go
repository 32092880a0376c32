package code

import (
	"context"
	"errors"
	"time"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Ref names the code of an owner for the card behind a token.
type Ref struct {
	Owner Owner
	Token string
}

// MaxBatch is how many codes one batch call takes.
const MaxBatch = tokenize.MaxBatch

// work is one call: the codes it is about, and what becomes of each.
type work struct {
	s           *Codes
	use         tokenize.CodeUse
	now         time.Time
	correlation string
	caller      tokenize.Caller // where it is one
	targets     []target
	one         [1]target     // the targets' place where it is one
	more        []audit.Event // beside one for each target
}

// target is a code that a call is about.
type target struct {
	caller      *tokenize.Caller
	ref         Ref
	owner       Owner   // as the call means it
	counter     Counter // 0 where the call is about none
	correlation string
	subject     tokenize.CodeSubject
	id          store.CodeID
	err         error // why nothing is done, or what is to be told
}

func (s *Codes) work(ctx context.Context, u tokenize.CodeUse) *work {
	return &work{s: s, use: u, now: time.Now(), correlation: s.correlation(ctx)}
}

func (w *work) add(c *tokenize.Caller, ref Ref) *target {
	w.targets = append(w.targets, target{caller: c, ref: ref, correlation: w.correlation})
	return &w.targets[len(w.targets)-1]
}

// start begins a call for one caller, and finds what it is about.
func (s *Codes) start(ctx context.Context, c tokenize.Caller, u tokenize.CodeUse, n int, ref func(i int) Ref) (*work, error) {
	w := s.work(ctx, u)
	w.caller = c
	if n > MaxBatch {
		return nil, s.a.Fault(invalid("batch", tokenize.Invalid, "holds more than MaxBatch requests"), w.correlation)
	}
	if err := s.a.Admit(ctx, &w.caller, u); err != nil {
		if u != tokenize.CodeStatus {
			if aerr := s.a.Record(ctx, s.a.Failed(s.a.Event(&w.caller, u, w.correlation), err)); aerr != nil {
				err = aerr
			}
		}
		return nil, s.a.Fault(err, w.correlation)
	}
	if w.targets = w.one[:0]; n > 1 {
		w.targets = make([]target, 0, n)
	}
	for i := range n {
		w.add(&w.caller, ref(i))
	}
	if err := w.find(ctx); err != nil {
		return nil, s.a.Fault(err, w.correlation)
	}
	return w, nil
}

// find looks for the cards behind the tokens, and asks whether the callers may use the
// owners' codes with them.
func (w *work) find(ctx context.Context) error {
	tokens := make([]string, len(w.targets))
	for i := range w.targets {
		tokens[i] = w.targets[i].ref.Token
	}
	subjects, errs, err := w.s.a.Subjects(ctx, tokens)
	if err != nil {
		return err
	}
	for i := range w.targets {
		t := &w.targets[i]
		t.subject = subjects[i]
		if t.owner, t.err = w.s.named(t.caller, t.ref.Owner); t.err != nil {
			continue
		}
		if t.err = errs[i]; t.subject.Token == "" {
			continue
		}
		switch ok, err := w.s.owns(ctx, t.caller, t.owner, t.subject.Token); {
		case err != nil:
			t.err = err
		case !ok: // though its card cannot be opened: that too would tell of the token
			t.err = w.s.a.Unknown()
		}
		t.id = store.CodeID{Scope: w.s.kept.scope, OwnerType: uint8(t.owner.Type), Owner: t.owner.ID, Card: t.subject.Card}
	}
	return nil
}

// has finds a target's code, and only then asks whether the token's state lets it be
// used: whoever has no code is told nothing of the token. The store is asked where no
// code can be, too, so that the time of its answer does not tell why there is none.
func (w *work) has(ctx context.Context, t *target) (store.Code, error) {
	id := t.id
	switch {
	case t.err != nil && !errors.Is(t.err, tokenize.ErrTokenNotFound):
		return store.Code{}, t.err
	case t.err != nil:
		id = store.CodeID{Scope: w.s.kept.scope} // which nobody has
	}
	c, err := w.s.kept.store.Code(ctx, id, w.now.UnixMilli())
	if err == nil && t.err != nil {
		err = t.err
	}
	if err == nil && c.Token != t.subject.Token {
		err = w.ended(ctx, c.Token)
	}
	if err == nil {
		err = t.subject.Allows(w.use)
	}
	return c, w.s.missing(err)
}

// ended erases codes whose token was deleted where they could not be erased, and says
// that they are not there.
func (w *work) ended(ctx context.Context, token string) error {
	deleted, err := w.s.a.Deleted(ctx, []string{token})
	if err != nil || !deleted[0] {
		return err
	}
	if err := w.s.kept.store.EraseToken(ctx, w.s.kept.scope, token); err != nil {
		return err
	}
	return store.ErrNotFound
}

// missing makes of a code that is not there what is said of an unknown token.
func (s *Codes) missing(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return s.a.Unknown()
	}
	return err
}

// each carries out the call for every target whose code is there.
func (w *work) each(ctx context.Context, do func(i int, t *target, c store.Code) error) {
	for i := range w.targets {
		t := &w.targets[i]
		w.now = time.Now()
		c, err := w.has(ctx, t)
		if err == nil {
			err = do(i, t, c)
		}
		t.err = err
	}
}

// errs are what the caller is told, after the call was recorded.
func (w *work) errs(ctx context.Context) ([]*tokenize.Error, error) {
	if err := w.record(ctx); err != nil {
		return nil, w.s.a.Fault(err, w.correlation)
	}
	errs := make([]*tokenize.Error, len(w.targets))
	for i := range w.targets {
		if t := &w.targets[i]; t.err != nil {
			errs[i] = w.s.a.Fault(t.err, t.correlation)
		}
	}
	return errs, nil
}

// failed ends a call of which nothing was done.
func (w *work) failed(ctx context.Context, err error) error {
	for i := range w.targets {
		if t := &w.targets[i]; t.err == nil {
			t.err = err
		}
	}
	if aerr := w.record(ctx); aerr != nil {
		err = aerr
	}
	return w.s.a.Fault(err, w.correlation)
}

// record writes down what became of the targets.
func (w *work) record(ctx context.Context) error {
	if w.use == tokenize.CodeStatus {
		return nil
	}
	events := make([]audit.Event, 0, len(w.targets)+len(w.more))
	for i := range w.targets {
		t := &w.targets[i]
		e := w.event(t, w.use)
		switch {
		case errors.Is(t.err, ErrWrong):
			e.Outcome = audit.Wrong
		case t.err != nil:
			e = w.s.a.Failed(e, t.err)
		}
		if e.Token == "" {
			var err error
			if e.Unknown, err = w.s.a.Unfound(ctx, t.ref.Token); err != nil {
				return err
			}
		}
		events = append(events, e)
	}
	return w.s.a.Record(ctx, append(events, w.more...)...)
}

func (w *work) event(t *target, u tokenize.CodeUse) audit.Event {
	e := w.s.a.Event(t.caller, u, t.correlation)
	e.Token = t.subject.Token
	if t.owner.Type != 0 && t.owner.check() == nil {
		e.Reason = "owner " + t.owner.Type.String() + " " + t.owner.ID
	}
	if t.counter != 0 {
		if e.Reason != "" {
			e.Reason += ", "
		}
		e.Reason += "counter " + t.counter.String()
	}
	return e
}

// one is a single call's part of a batch.
func one(errs []*tokenize.Error, err error) error {
	if err == nil && errs[0] != nil {
		err = errs[0]
	}
	return err
}
