package tokenize

import (
	"context"
	"errors"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// ReindexOptions tunes [Repository.Reindex].
type ReindexOptions struct {
	Caller Caller // needs MayUpdate
	// NewKey makes a new index key for a repository that is not being rotated.
	// Without it the repository is brought to the ring's active key, if that is
	// another than its own.
	NewKey bool
	// Batch is how many rows are looked at in one transaction, at most MaxBatch;
	// 0 is 500.
	Batch int
	// RowsPerSecond bounds how fast rows are looked at; 0 is no bound.
	RowsPerSecond int
	// LeaveUnindexed completes the rotation past cards whose new index value cannot
	// be made. They keep their tokens, but are found by their numbers no more: in a
	// UniqueCard repository a card of them that is saved again gets a second token.
	LeaveUnindexed bool
	// OnProgress is called after each batch, OnLeft for each token whose card
	// stands in the way.
	OnProgress func(Progress)
	OnLeft     func(token string, err error)
}

// Reindex replaces the key that the repository finds its cards by, while the
// repository serves: it computes each card's index value anew under another data
// key of the index ring. A call that was stopped or killed, at whatever moment, is
// continued by the next; several at once do the work together. Rows that are
// written get a higher version, as by any change, but keep their times.
//
//	Settled  → Filling   One change of the repository's row: from here on every
//	                     write stores the values under both keys. It raises the
//	                     epoch, so no write that knows the old key alone is
//	                     committed after it.
//	Filling              The rows from before get their new values, batch by batch.
//	Filling  → Dropping  Every row has both values by now. Look-ups and writes go
//	                     over to the new key alone, under another epoch.
//	Dropping             The old values are removed.
//	Dropping → Settled   The old key finds nothing any more.
//
// What makes a card unique is the old value up to the second change of epoch,
// which every row has and every writer stores, and the new one from there on,
// which likewise every row has by then and every writer stores. A process learns
// of a change late, but its next write is refused as [store.Outdated], and it
// plans again; a refusal that rests on not finding a card is given only under an
// epoch that still holds. So no moment exists at which two processes disagree on
// which version makes a card unique.
//
// Idempotency keys go over to the new key as well; those remembered under the old
// one are still known for as long as they would have been, and so is a bulk job
// that was begun before. The retired key is needed until then: see
// [Repository.IndexStatus].
//
// A card whose number cannot be opened stands in the way: [ErrUnindexed] is
// returned once all others are done, and the next call tries again. A KMS or store
// that does not answer ends the call; what was done stays done.
func (r *Repository) Reindex(ctx context.Context, o ReindexOptions) (Progress, error) {
	if err := checkPace(&o.Batch, o.RowsPerSecond); err != nil {
		return Progress{}, err
	}
	if err := r.admit(ctx, &o.Caller, MayUpdate, time.Now()); err != nil {
		return Progress{}, err
	}
	x := &reindex{r: r, o: &o}
	if err := x.run(ctx); err != nil {
		return x.p, wrap(err)
	}
	return x.p, nil
}

// reindex is one call of Reindex at work.
type reindex struct {
	r    *Repository
	o    *ReindexOptions
	p    Progress
	l    *lookup    // of the pass under way
	made keys.KeyID // by this call, lest a conflict makes a second one
}

// run takes one step after the other, each from what the store says then.
func (x *reindex) run(ctx context.Context) error {
	for range maxRounds {
		if _, err := x.r.reread(ctx); err != nil {
			return err
		}
		s, err := x.r.writtenDown(ctx)
		if err != nil {
			return err
		}
		x.p.Phase = s.state.phase
		switch s.state.phase {
		case Filling:
			err = x.fillAndRead(ctx, s)
		case Dropping:
			err = x.dropAndSettle(ctx, s)
		default:
			if !x.p.Key.IsZero() { // this call or one beside it came to the end
				x.p.Done = true
				return nil
			}
			var begun bool
			if begun, err = x.begin(ctx, s); err == nil && !begun {
				x.p.Done = true
				return nil
			}
		}
		// Another call was first with something: go on from there.
		if err != nil && !errors.Is(err, errOutdated) && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrFenced) {
			return err
		}
	}
	return conflict()
}

// begin has every write store both values, or reports that the repository is
// where it is to be.
func (x *reindex) begin(ctx context.Context, s *standing) (bool, error) {
	old := s.state.read
	to, err := x.target(ctx)
	if err != nil || to == old {
		return false, err
	}
	st := s.state
	st.phase, st.index = Filling, []keys.KeyID{old, to}
	// The digest key goes with it, unless what was remembered under the one before
	// is still looked up: there is room for one.
	now := time.Now()
	if st.earlier.IsZero() || now.UnixMilli() >= st.earlierUntil {
		st.earlier, st.earlierUntil = st.digest, now.Add(earlierLife).UnixMilli()
		st.digest = to
	}
	// A key that cannot be had must not become everybody's.
	if _, err := x.r.derive(ctx, &st); err != nil {
		return false, err
	}
	// A call that was killed at its very end has left this behind.
	if err := x.r.v.cards.EndJob(ctx, x.r.reindexJob(old)); err != nil {
		return false, err
	}
	if _, err := x.r.putState(ctx, s, st, s.epoch+1, to); err != nil {
		if errors.Is(err, store.ErrFenced) { // another rotation's key has taken its place
			x.made, x.o.NewKey = keys.KeyID{}, false
		}
		return false, err
	}
	x.p.Key = to
	return true, x.record(ctx, audit.Begun)
}

// earlierLife is how long calls remembered under an earlier digest key are looked
// up: as long as they are remembered, and a day for clocks that differ.
const earlierLife = onceLife + 24*time.Hour

// target is the key to bring the repository to.
func (x *reindex) target(ctx context.Context) (keys.KeyID, error) {
	if !x.made.IsZero() {
		return x.made, nil
	}
	if !x.o.NewKey {
		id, err := x.r.ActiveIndexKey(ctx)
		if err != nil || !id.IsZero() {
			return id, err
		}
	}
	var err error
	x.made, err = x.r.index.RotateIndex(ctx)
	return x.made, err
}

// ActiveIndexKey is the active key of the repository's index ring, which
// [Repository.Reindex] brings it to, or zero where none was made yet. It is read
// from the key store: a seal lease may not know it yet.
func (r *Repository) ActiveIndexKey(ctx context.Context) (keys.KeyID, error) {
	records, err := r.index.Records(ctx)
	if err != nil {
		return keys.KeyID{}, wrap(err)
	}
	for i := range records {
		if records[i].State == keys.Active {
			return records[i].ID, nil
		}
	}
	return keys.KeyID{}, nil
}

func (x *reindex) fillAndRead(ctx context.Context, s *standing) error {
	x.p.Key = s.state.index[1]
	if err := x.pass(ctx, s); err != nil {
		return err
	}
	st := s.state
	st.phase, st.index, st.read = Dropping, []keys.KeyID{x.p.Key}, x.p.Key
	_, err := x.r.putState(ctx, s, st, s.epoch+1)
	return err
}

// dropAndSettle leaves the epoch alone: for writers nothing changes.
func (x *reindex) dropAndSettle(ctx context.Context, s *standing) error {
	x.p.Key = s.state.read
	if err := x.pass(ctx, s); err != nil {
		return err
	}
	st := s.state
	st.phase = Settled
	if _, err := x.r.putState(ctx, s, st, s.epoch); err != nil {
		return err
	}
	x.p.Phase, x.p.Done = Settled, true
	if err := x.r.v.cards.EndJob(ctx, x.r.reindexJob(x.p.Key)); err != nil {
		return err
	}
	return x.record(ctx, audit.Done)
}

func (x *reindex) record(ctx context.Context, o audit.Outcome) error {
	e := x.r.event(audit.Reindex, &x.o.Caller)
	e.Outcome = o
	return x.r.v.record(ctx, e)
}

// reindexJob is the job that brings the repository to a key. Its name is no
// digest, as other jobs' are, but the two IDs: nothing in them is secret, and they
// are random.
func (r *Repository) reindexJob(to keys.KeyID) (id store.JobID) {
	copy(id[:], r.scope[:])
	copy(id[len(r.scope):], to[:])
	return id
}
