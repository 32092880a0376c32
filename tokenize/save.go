package tokenize

import (
	"context"
	"errors"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// MaxBatch is how many requests one SaveBatch takes.
const MaxBatch = 100_000

// maxRounds bounds how often a batch is planned anew because others wrote in
// between. One of those who collide always gets through, so that this many
// rounds are lost only against as many others on the same few cards.
const maxRounds = 200

// maxFenced is how often a batch is planned anew because a data key is closed for
// writing. Once is for a key that was rotated meanwhile, and another for a reading
// of the key store that was under way then.
const maxFenced = 3

// Save stores a card, or changes a token's details, and returns what may be
// known of the token. An error means that nothing was written, but for
// [ErrOutcomeUnknown] and [ErrAudit].
func (r *Repository) Save(ctx context.Context, q SaveRequest) (Details, error) {
	b := r.borrow(1)
	defer r.giveBack(b)
	b.one[0] = q
	b.reqs = b.one[:]
	err := b.run(ctx, nil)
	res := &b.res[0]
	if res.Err != nil {
		return Details{}, res.Err
	}
	if err != nil && !errors.Is(err, ErrAudit) {
		return Details{}, fault(err, q.CorrelationID)
	}
	if err != nil {
		return res.Details, fault(err, q.CorrelationID)
	}
	return res.Details, nil
}

// SaveBatch saves many cards in one transaction. A bad request is in its own
// result and stops no other; an error means that nothing was written at all, but
// for [ErrOutcomeUnknown] and [ErrAudit]. Requests are carried out in order: a
// card that comes twice is saved once and found the second time.
func (r *Repository) SaveBatch(ctx context.Context, reqs []SaveRequest) ([]SaveResult, error) {
	return r.saveBatch(ctx, reqs, nil)
}

func (r *Repository) saveBatch(ctx context.Context, reqs []SaveRequest, s *step) ([]SaveResult, error) {
	if len(reqs) > MaxBatch {
		return nil, invalid("batch", Invalid, "holds more than MaxBatch requests")
	}
	b := r.borrow(len(reqs))
	defer r.giveBack(b)
	b.reqs = reqs
	b.res = make([]SaveResult, len(reqs))
	err := b.run(ctx, s)
	if err != nil && !errors.Is(err, ErrAudit) {
		return nil, wrap(err)
	}
	if err != nil {
		return b.res, wrap(err)
	}
	return b.res, nil
}

// borrow takes a batch with room for n requests.
func (r *Repository) borrow(n int) *batch {
	b := r.batch.Get().(*batch)
	b.r = r
	if cap(b.prep) < n {
		b.prep, b.replayed = make([]prepared, n), make([]string, n)
	}
	b.prep, b.replayed = b.prep[:n], b.replayed[:n]
	if n == 1 {
		b.res = b.oneRes[:]
	}
	return b
}

// maxKept keeps a rare large batch from holding its memory for ever.
const maxKept = 4096

func (r *Repository) giveBack(b *batch) {
	if len(b.prep) > maxKept {
		return
	}
	clear(b.prep)
	clear(b.replayed)
	clear(b.writes)
	b.one, b.oneRes = [1]SaveRequest{}, [1]SaveResult{}
	b.reqs, b.res, b.tokens = nil, nil, nil
	r.batch.Put(b)
}

// run carries out a batch: prepare once, then plan and write until nobody wrote
// in between.
func (b *batch) run(ctx context.Context, s *step) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	if b.l, err = b.r.keyed(ctx); err != nil {
		return err
	}
	b.now, b.fenced, b.recalled = time.Now(), 0, false
	read, ask := len(b.reqs) > 1, false
	for i := range b.reqs {
		q := &b.reqs[i]
		err := b.r.admit(ctx, &q.Caller, b.r.needs(q), b.now)
		if err != nil && serverSide(err) {
			return err
		}
		if err == nil {
			err = b.r.prepare(ctx, b.l, q, &b.prep[i], b.now)
		}
		if err != nil {
			b.res[i].Err = fault(err, q.CorrelationID)
		}
		ask = ask || b.prep[i].acquirer
		read = read || q.Token != ""
		if q.Types == Analytics && b.res[i].Err == nil {
			b.prep[i].hasNumber = false // there is nothing to look up
			if err := b.analyze(ctx, i); err != nil {
				return err
			}
		}
	}
	if b.r.c.Generation == FF1 {
		if err := b.computeTokens(ctx); err != nil {
			return err
		}
	}
	if ask {
		if err := b.verify(ctx); err != nil {
			return err
		}
		b.now = time.Now()
		read = true // what was sent before has its token now
	}
	for range maxRounds {
		if err := ctx.Err(); err != nil {
			return err
		}
		done, err := b.round(ctx, read, s)
		if errors.Is(err, errOutdated) {
			err = b.catchUp(ctx)
		}
		if err != nil {
			return err
		}
		if done {
			return b.audit(ctx)
		}
		read = true
	}
	return conflict()
}

// round plans and writes once.
func (b *batch) round(ctx context.Context, read bool, s *step) (done bool, err error) {
	known, err := b.recall(ctx)
	if err != nil {
		return false, err
	}
	if err := b.plan(ctx, read || known); err != nil {
		return false, err
	}
	return b.write(ctx, s)
}

// write hands the plan to the store and reports whether it was carried out.
func (b *batch) write(ctx context.Context, s *step) (bool, error) {
	if len(b.writes) == 0 && s == nil {
		return true, nil
	}
	for i := range b.writes {
		for j := range b.writes[i].Row.Sealed {
			id, ok := envelope.StoredKeyID(b.writes[i].Row.Sealed[j].Record)
			if !ok {
				return false, damaged("a sealed value is not in stored mode")
			}
			if err := b.r.v.openFence(ctx, id); err != nil {
				return false, err
			}
		}
	}
	var job *store.Job
	if s != nil {
		var err error
		if job, err = s.job(b.res); err != nil {
			return false, err
		}
	}
	outcomes, err := b.r.v.cards.Write(ctx, b.writes, job)
	if err != nil {
		return false, err
	}
	done, fenced := true, false
	for k := range outcomes {
		if outcomes[k].Result == store.Outdated {
			return false, errOutdated
		}
		if outcomes[k].Result != store.Written {
			done = false
			fenced = fenced || outcomes[k].Result == store.Fenced
			b.stoodInTheWay(b.from[k], &outcomes[k])
		}
	}
	if fenced {
		if b.fenced++; b.fenced == maxFenced {
			return false, errFenced()
		}
	}
	return done, nil
}

// noVersion is a version that no row reaches.
const noVersion = 1 << 62

// sentBefore reports whether a request that is about to be refused was carried out
// before under its idempotency key: what the first call did (created the token,
// raised its version, took the last free one) may be just what refuses the second.
// The store is asked with a write that it cannot carry out.
func (b *batch) sentBefore(ctx context.Context, i int) (bool, error) {
	p, token := &b.prep[i], b.reqs[i].Token
	if !p.hasOnce || p.asked {
		return false, nil
	}
	p.asked = true
	if token == "" {
		token = "0"
	}
	out, err := b.r.v.cards.Write(ctx, []store.Write{b.probe(token, &p.once)}, nil)
	switch {
	case err != nil:
		return false, err
	case out[0].Result == store.Outdated:
		return false, errOutdated
	case out[0].Result != store.Replayed:
		return false, nil
	}
	b.stoodInTheWay(i, &out[0])
	return true, nil
}

// probe is a write that asks for a remembered call and cannot be carried out.
func (b *batch) probe(token string, once *store.Once) store.Write {
	return store.Write{Once: once, Epoch: b.l.epoch, Row: store.Row{
		Scope: b.r.scope, Token: token, Version: noVersion, Status: store.Active,
	}}
}

// stoodInTheWay takes note of why a write was refused, for the next plan.
func (b *batch) stoodInTheWay(i int, o *store.Outcome) {
	q := &b.reqs[i]
	switch o.Result {
	case store.CardExists:
		// Without a token of his own the caller gets the winner's, which the next
		// plan will have read.
		if q.Token != "" {
			b.res[i].Err = fault(rejected("number", "CARD_HAS_TOKEN", ErrCardHasToken), q.CorrelationID)
		}
	case store.Replayed:
		if o.Input != b.prep[i].once.Input {
			b.res[i].Err = fault(rejected("idempotencyKey", "REUSED_KEY", ErrReusedKey), q.CorrelationID)
			return
		}
		b.replayed[i] = o.Token
	case store.Fenced:
		b.r.v.forgetFence(o.Key)
		b.r.sealer.Refresh()
	}
	// TokenTaken and Stale: another draw and another read decide.
}

// audit records what the batch did.
func (b *batch) audit(ctx context.Context) error {
	if b.r.v.o.Audit == nil {
		return nil
	}
	events := make([]audit.Event, len(b.reqs))
	for i := range events {
		q, res := &b.reqs[i], &b.res[i]
		e := &events[i]
		*e = audit.Event{
			Action: audit.Save, Repository: b.r.c.ID, Token: res.Details.Token, Outcome: audit.Existing,
		}
		if q.update {
			e.Action = audit.Update
		}
		// What is malformed is not written down.
		if q.Caller.may(0) == nil {
			e.Merchant, e.Owner = q.Caller.Merchant, q.Caller.Owner
		}
		if isPrintable(q.CorrelationID, maxCorrelation) {
			e.Correlation = q.CorrelationID
		}
		e.Verification = b.prep[i].external()
		switch {
		case res.Err != nil:
			e.Token, e.Outcome, e.Field = "", audit.Refused, res.Err.Field
			if q.Token != "" {
				e.Unknown = b.r.unknownDigest(b.l, q.Token)
			}
			if serverSide(res.Err) {
				e.Outcome = audit.Failed
			}
		case res.Details.Outcome == Created:
			e.Outcome = audit.Created
		case res.Details.Outcome == Computed:
			e.Outcome = audit.Done
		case res.Details.Outcome == Updated:
			e.Outcome = audit.Updated
		}
	}
	return b.r.v.record(ctx, events...)
}
