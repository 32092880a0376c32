package code

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// Sweep is what one sweep did.
type Sweep struct {
	Codes     int            // expired ones that were removed
	Ended     int            // epochs in which nothing is sealed any more
	Destroyed []keys.Receipt // of epochs that are no more
}

// sweepStep is how many codes are removed in one transaction.
const sweepStep = 1000

func (t *Transient) sweepOn(ctx context.Context) {
	timer := time.NewTicker(t.o.Sweep)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		did, err := t.Sweep(ctx)
		if ctx.Err() != nil {
			return
		}
		if t.o.Swept != nil {
			t.o.Swept(did, err)
		}
	}
}

// Sweep removes codes whose time is up, ends the epoch whose time is up, and destroys
// epochs that no code needs. It is done on a timer; several at once, here and in other
// processes, do no harm. An epoch is destroyed whatever is in the store once every code
// that can have been sealed in it has expired. The receipts go to
// [TransientOptions].Audit; one that it does not take is offered again by the next
// sweep of this process.
func (t *Transient) Sweep(ctx context.Context) (did Sweep, err error) {
	t.sweeping.Lock()
	defer t.sweeping.Unlock()
	// Codes that cannot be removed keep no epoch from being destroyed.
	err = errors.Join(t.sweepCodes(ctx, &did), t.sweepEpochs(ctx, &did), t.tell(ctx))
	if t.halves != nil {
		err = errors.Join(err, t.halves.sweep(ctx, t.ring(), t.o.Skew))
	}
	if err != nil {
		return did, tokenize.AsError(err)
	}
	return did, nil
}

func (t *Transient) sweepCodes(ctx context.Context, did *Sweep) error {
	for {
		n, err := t.store.SweepCodes(ctx, time.Now().UnixMilli(), sweepStep)
		did.Codes += n
		if err != nil || n < sweepStep {
			return err
		}
	}
}

func (t *Transient) sweepEpochs(ctx context.Context, did *Sweep) error {
	records, err := t.keys.Records(ctx, keys.CVC)
	if err != nil {
		return err
	}
	var errs []error
	for i := range records {
		r := &records[i]
		switch {
		case r.State == keys.Active && time.Since(r.Created) >= t.o.Epoch:
			if err = t.keys.Retire(ctx, r.ID); err == nil {
				did.Ended++
			}
		case r.State == keys.Retired || r.State == keys.Disabled:
			err = t.destroy(ctx, r, did)
		default:
			continue
		}
		if _, changed := errors.AsType[*keys.StateError](err); err != nil && !changed { // by another process
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (t *Transient) destroy(ctx context.Context, r *keys.Record, did *Sweep) error {
	o := keys.DestroyOptions{
		CloseFence: t.store.CloseFence, Census: t.store.CountCodes, Skew: t.o.Skew,
		Shred: time.Since(r.Changed) >= t.retired(),
	}
	receipt, err := t.keys.Destroy(ctx, r.ID, o)
	_, early := errors.AsType[*keys.EarlyError](err)
	_, needed := errors.AsType[*keys.InUseError](err)
	if early || needed {
		return nil
	}
	if err != nil {
		return err
	}
	did.Destroyed = append(did.Destroyed, receipt)
	if t.o.Audit != nil {
		t.untold = append(t.untold, audit.Event{
			Time: time.Now().UTC(), Action: audit.DestroyKey, Outcome: audit.Done,
			Reason: fmt.Sprintf("%v", r.ID), Receipt: receipt.AppendTo(nil),
		})
	}
	return nil
}

// tell hands the sink what it has not taken yet.
func (t *Transient) tell(ctx context.Context) error {
	if len(t.untold) == 0 {
		return nil
	}
	if err := t.o.Audit.Record(ctx, t.untold); err != nil {
		return fmt.Errorf("%w: %w", tokenize.ErrAudit, err)
	}
	t.untold = nil
	return nil
}
