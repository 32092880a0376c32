package tokenize

import (
	"context"
	"errors"
	"slices"
	"time"
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
// [ErrOutcomeUnknown], [ErrCodeNotKept] and [ErrAudit].
func (r *Repository) Save(ctx context.Context, q SaveRequest) (Details, error) {
	b := r.borrow(1)
	defer r.giveBack(b)
	b.one[0] = q
	b.reqs = b.one[:]
	err := b.run(ctx, nil)
	res := &b.res[0]
	if res.Err != nil && errors.Is(res.Err, ErrCodeNotKept) {
		return res.Details, res.Err
	}
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
	if b.own = ownRequests(reqs); b.own != nil {
		b.reqs = b.own
	}
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
	clear(b.own)
	b.own = nil
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
	b.now, b.opened, b.fenced, b.recalled = time.Now(), time.Time{}, 0, false
	read, ask, late := len(b.reqs) > 1 && b.r.met.Load(), false, false
	for i := range b.reqs {
		q := &b.reqs[i]
		err := b.r.admit(ctx, &q.Caller, b.r.needs(q), b.now)
		if err != nil && serverSide(err) {
			return err
		}
		if err == nil && q.Encrypted != nil {
			b.opened = b.now
			err = b.r.decrypt(ctx, q, &b.prep[i], b.now)
		}
		if err == nil {
			err = b.r.prepare(ctx, b.l, q, &b.prep[i], b.now)
		}
		if p := &b.prep[i]; err == nil && p.late != nil && !p.hasOnce {
			err = p.late
		}
		if err != nil && s != nil && serverSide(err) {
			return err // a job comes again once SaveLimit lets it
		}
		if err != nil {
			b.res[i].Err = fault(err, q.CorrelationID)
		}
		ask, late = ask || b.prep[i].acquirer, late || b.prep[i].late != nil
		read = read || q.Token != ""
		if q.Types == Analytics && b.res[i].Err == nil {
			b.prep[i].hasNumber = false // there is nothing to look up
		}
	}
	if b.r.c.Generation == FF1 {
		if err := b.computeTokens(ctx); err != nil {
			return err
		}
	}
	if ask || late {
		if err := b.findSent(ctx); err != nil {
			return err
		}
		b.refuseLate()
		read = true // what was sent before has its token now
	}
	if ask {
		if err := b.verify(ctx); err != nil {
			return err
		}
		b.now = time.Now()
	}
	if err := b.analyze(ctx); err != nil {
		return err
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
			b.meet()
			b.spendAlone(ctx)
			b.clearRefused()
			err := b.audit(ctx)
			b.keepCodes(ctx)
			return err
		}
		read = true
	}
	return conflict()
}

// meet takes note of whether the batch met cards that had a token already. The next
// one looks for them first, or else takes all for new and lets the store decide: a
// file is mostly of one kind, and the look costs as much as the write.
func (b *batch) meet() {
	if len(b.reqs) == 1 {
		return
	}
	met := slices.ContainsFunc(b.res, func(r SaveResult) bool {
		return r.Err == nil && (r.Details.Outcome == Existing || r.Details.Outcome == Updated)
	})
	if b.r.met.Load() != met {
		b.r.met.Store(met)
	}
}

// clearRefused takes from refused requests what a plan before that promised them: a
// token that was drawn for one was not stored.
func (b *batch) clearRefused() {
	for i := range b.res {
		if b.res[i].Err != nil {
			b.res[i].Details = Details{}
		}
	}
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
