package tokenize

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// ResealOptions tunes [Repository.Reseal].
type ResealOptions struct {
	Caller Caller // needs MayUpdate
	// Batch is how many rows are looked at in one transaction, at most MaxBatch;
	// 0 is 500.
	Batch int
	// RowsPerSecond bounds how fast rows are looked at; 0 is no bound.
	RowsPerSecond int
	// OnProgress is called after each batch, OnLeft for each token whose card cannot
	// be opened.
	OnProgress func(Progress)
	OnLeft     func(token string, err error)
}

// Reseal brings what is sealed of the repository's cards under the active key of the
// ring, while the repository serves: every number, network token, holder and e-mail
// that lies under another key is opened and sealed anew. Once that is done in all
// repositories of the ring (test twins have rings of their own, and so has a
// repository with [Config].PerScopeKeys) no card needs its other keys any more, as
// [Vault.KeyUse] tells, and they can be destroyed.
//
// A call that was stopped or killed, at whatever moment, is continued by the next,
// or begun anew where the ring was rotated meanwhile; several at once do no harm.
// Rows that are written get a higher version, as by any change, but keep their
// times; a row that somebody else changes at the same moment is looked at once more.
// Once its keys are warm it makes no KMS call.
//
// Processes that have not heard of a rotation seal under the key before for as long
// as their seal lease is ([keys.Options]), behind the cursor as well: begin when it is
// over, or call once more when this is done. A call that only goes on where an earlier
// one was stopped does not look behind that one's cursor; [Vault.KeyUse] tells of what
// is left.
//
// A row of which a value cannot be opened is left as it is, and [ErrUnsealed]
// returned once all others are done; the next call tries again. A KMS or store that
// does not answer ends the call; what was done stays done.
func (r *Repository) Reseal(ctx context.Context, o ResealOptions) (Progress, error) {
	if err := checkPace(&o.Batch, o.RowsPerSecond); err != nil {
		return Progress{}, err
	}
	if err := r.admit(ctx, &o.Caller, MayUpdate, time.Now()); err != nil {
		return Progress{}, err
	}
	x := &reseal{r: r, o: &o}
	if err := x.run(ctx); err != nil {
		return x.p, wrap(err)
	}
	return x.p, nil
}

// reseal is one call of Reseal at work.
type reseal struct {
	r      *Repository
	o      *ResealOptions
	p      Progress
	fenced int    // transactions refused since the key is closed for writing
	sealed []byte // the new records of a batch, in one piece of memory
}

// errRotated ends a walk towards a key that is no longer the active one.
var errRotated = errors.New("tokenize: the ring was rotated")

// run walks towards one active key after the other, until there is no newer one.
func (x *reseal) run(ctx context.Context) error {
	ring, err := x.r.ring(keys.PAN)
	if err != nil {
		return err
	}
	records, err := ring.Records(ctx)
	if err != nil {
		return err
	}
	if len(records) == 0 { // nothing was sealed ever
		x.p.Done = true
		return nil
	}
	if err := x.record(ctx, audit.Begun); err != nil {
		return err
	}
	for range maxRounds {
		x.r.sealer.Refresh() // a seal lease may not know yet
		if x.p.Key, err = x.r.sealer.ActiveKey(ctx); err != nil {
			return err
		}
		if err = x.pass(ctx); !errors.Is(err, errRotated) {
			return err
		}
	}
	return conflict()
}

func (x *reseal) pass(ctx context.Context) error {
	w := &walk{r: x.r, work: x, job: x.r.resealJob(), batch: x.o.Batch, rate: x.o.RowsPerSecond,
		p: &x.p, show: x.o.OnProgress, left: x.o.OnLeft}
	key := storedKey(x.p.Key)
	x.fenced = 0
	left, err := w.run(ctx, cursor{Key: &key}, false)
	if err != nil {
		return err
	}
	if left > 0 {
		return &Error{Cause: RequestRejected, SupportCode: "UNSEALED", Explanation: trim(ErrUnsealed), err: ErrUnsealed}
	}
	if err := x.r.v.cards.EndJob(ctx, w.job); err != nil {
		return err
	}
	x.p.Done = true
	return x.record(ctx, audit.Done)
}

// ready has the key that is active now seal the batch. A key is active before
// anything is sealed under it, and never again after another was. So whatever rows
// that were read before lie under, this is the same or a later one: none is brought
// back to an earlier key, nor by a call that is behind.
func (x *reseal) ready() {
	x.sealed = x.sealed[:0]
	x.r.sealer.Refresh()
}

// fit seals anew what lies under another key.
//
// The generation stays. It is there so that an earlier value does not pass for the
// present one, and the value is the same; whoever can put the earlier record back
// can put its generation beside it.
func (x *reseal) fit(ctx context.Context, row *store.Row) (changed bool, err error) {
	for i := range row.Sealed {
		s := &row.Sealed[i]
		if x.done(s.Record) {
			continue
		}
		from := len(x.sealed)
		out, err := x.r.sealer.Reseal(ctx, x.sealed, s.Record, seal.Field(s.Field), bound(row, s))
		if err != nil {
			return false, err
		}
		x.sealed = out
		if s.Record = out[from:len(out):len(out)]; !x.done(s.Record) {
			return false, errRotated
		}
		changed = true
	}
	return changed, nil
}

// done reports whether a record lies under the key that the walk leads to.
func (x *reseal) done(record []byte) bool {
	id, ok := envelope.StoredKeyID(record)
	return ok && id == x.p.Key
}

func (x *reseal) write(ctx context.Context, writes []store.Write, job *store.Job) ([]store.Outcome, error) {
	if len(writes) > 0 {
		if err := x.r.v.openFence(ctx, x.p.Key); err != nil {
			return nil, err
		}
	}
	outcomes, err := x.r.replaceIn(ctx, job, writes...)
	if slices.ContainsFunc(outcomes, func(o store.Outcome) bool { return o.Result == store.Fenced }) {
		// The key is on its way out, and the ring is about to say so; or the store was
		// put back to before this process opened the fence.
		x.r.v.forgetFence(x.p.Key)
		if x.fenced++; x.fenced == maxFenced {
			return nil, errFenced()
		}
	}
	return outcomes, err
}

// refused has the row tried again: it was changed or deleted meanwhile, or the key
// was closed.
func (x *reseal) refused(*store.Outcome) error { return nil }

func (x *reseal) record(ctx context.Context, o audit.Outcome) error {
	e := x.r.event(audit.Reseal, &x.o.Caller)
	e.Outcome = o
	return x.r.v.record(ctx, e)
}

// resealJob is the job that brings the repository's rows under the active key. There
// is one at a time, so that a rotation leaves none behind: which key it is, the
// cursor says. No index key has this ID, which is no random one.
func (r *Repository) resealJob() (id store.JobID) {
	copy(id[:], r.scope[:])
	copy(id[len(r.scope):], "reseal")
	return id
}
