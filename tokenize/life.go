package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// ExpectVersion is the version a token must have for a change of it, as
// [Details].Version told it; any other makes it fail with [ErrConflict]. 0 is
// whatever it is.
type ExpectVersion uint64

// Suspend keeps a token from giving its card until it is activated again. The
// caller needs [MaySuspend].
//
// Each change of a token's state is one write: of two at once that named a version
// one is carried out, without a version both, one after the other. A token that is
// in the state already is left as it is, without an error, so that a call whose
// answer was lost ([ErrOutcomeUnknown]) can be made again.
func (r *Repository) Suspend(ctx context.Context, c Caller, token string, expect ...ExpectVersion) (Details, error) {
	return r.change(ctx, c, token, expect, opSuspend, func(row *store.Row) bool {
		changed := row.Status != store.Suspended
		row.Status = store.Suspended
		return changed
	})
}

// Activate takes a suspension back. The caller needs [MaySuspend]. A token that was
// deleted, has expired or holds a card that is no longer good stays so.
func (r *Repository) Activate(ctx context.Context, c Caller, token string, expect ...ExpectVersion) (Details, error) {
	return r.change(ctx, c, token, expect, opActivate, func(row *store.Row) bool {
		changed := row.Status != store.Active
		row.Status = store.Active
		return changed
	})
}

// SetValid writes down what an account updater found of a token's card. While it is
// not valid the card is not given out; valid true, or an update of its number or
// expiry, makes it good again. The caller needs [MayUpdate].
func (r *Repository) SetValid(ctx context.Context, c Caller, token string, valid bool, expect ...ExpectVersion) (Details, error) {
	return r.change(ctx, c, token, expect, opValid, func(row *store.Row) bool {
		changed := row.Invalid == valid
		row.Invalid = !valid
		return changed
	})
}

// Delete erases a token's card for good. What stays is a tombstone, token and
// repository alone, so that the token is never given out again. The security codes
// that were stored through the token are erased before: issuer codes always, transient
// ones where package code serves the repository in this process (elsewhere they are
// given out no more and end with their time). The caller needs [MayDelete].
func (r *Repository) Delete(ctx context.Context, c Caller, token string, expect ...ExpectVersion) error {
	_, err := r.change(ctx, c, token, expect, opDelete, func(row *store.Row) bool {
		changed := row.Status != store.Deleted
		*row = store.Row{
			Scope: row.Scope, Token: row.Token, Version: row.Version, Status: store.Deleted, Order: row.Order,
		}
		return changed
	})
	return err
}

// change makes a change of a token's state and records it. apply reports whether
// there was anything to change.
func (r *Repository) change(ctx context.Context, c Caller, token string, expect []ExpectVersion, op operation, apply func(*store.Row) bool) (Details, error) {
	e := r.event(rules[op].action, &c)
	if err := r.admit(ctx, &c, rules[op].needs, time.Now()); err != nil {
		if aerr := r.v.record(ctx, failed(e, err)); aerr != nil {
			return Details{}, aerr
		}
		return Details{}, err
	}
	row, changed, err := r.rewrite(ctx, &c, token, expect, op, apply)
	e.Token = row.Token
	switch {
	case err != nil:
		e = failed(e, err)
	case !changed:
		e.Outcome = audit.Unchanged
	}
	if e.Token == "" && r.v.o.Audit != nil {
		l, lerr := r.keyed(ctx)
		if lerr != nil {
			return Details{}, lerr
		}
		e.Unknown = r.unknownDigest(l, token)
	}
	aerr := r.v.record(ctx, e)
	if err != nil {
		return Details{}, err
	}
	return r.details(&row), aerr
}

// event is that something of this repository was done. A malformed caller is not
// written down.
func (r *Repository) event(a audit.Action, c *Caller) audit.Event {
	e := audit.Event{Action: a, Outcome: audit.Done, Repository: r.c.ID}
	if c.may(0) == nil {
		e.Merchant, e.Owner = c.Merchant, c.Owner
	}
	return e
}

// failed is the event of what was not done.
func failed(e audit.Event, err error) audit.Event {
	e.Outcome, e.Field = audit.Refused, wrap(err).Field
	if serverSide(err) {
		e.Outcome = audit.Failed
	}
	return e
}

// rewrite reads a token's row, changes it and writes it, until nobody wrote in
// between. It returns the row as it is then, or as it was found where the change
// was refused.
func (r *Repository) rewrite(ctx context.Context, c *Caller, token string, expect []ExpectVersion, op operation, apply func(*store.Row) bool) (store.Row, bool, error) {
	for range maxRounds {
		row, err := r.row(ctx, token)
		if err != nil {
			return store.Row{}, false, err
		}
		for _, v := range expect {
			if v != 0 && uint64(v) != row.Version {
				return row, false, rejected("token", "VERSION", ErrConflict)
			}
		}
		now := time.Now()
		if err := allow(op, &row, now); err != nil {
			return row, false, err
		}
		changed := apply(&row)
		if op == opDelete {
			if err := r.eraseCodes(ctx, row.Token); err != nil {
				return row, false, err
			}
		}
		if !changed {
			return row, false, nil
		}
		if row.Status != store.Deleted {
			row.Updated, row.UpdatedBy = now.UnixMilli(), c.by()
		}
		out, err := r.replace(ctx, store.Write{Row: row})
		if err != nil {
			return row, false, err
		}
		switch out[0].Result {
		case store.Written:
			row.Version++
			if op == opDelete { // what was put while the tombstone was being written
				return row, true, r.eraseCodes(ctx, row.Token)
			}
			return row, true, nil
		case store.Fenced: // its card waits to be sealed anew under another key
			return row, false, errFenced()
		}
	}
	return store.Row{}, false, conflict()
}
