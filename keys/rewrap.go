package keys

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
)

// RewrapOptions says how far [Manager.Rewrap] goes. The zero value moves every
// data key to the newest version of each of the ring's KEKs, completes what a KEK
// has not wrapped yet, and drops nothing.
type RewrapOptions struct {
	// MissingOnly leaves wrappings alone that are there.
	MissingOnly bool
	// DropOthers removes what was wrapped by a KEK that is not, or no longer, one of
	// those that wrap the ring's keys: [Options.OldKEKs] and KEKs this process does
	// not have. It does so only where a quorum of the others was seen to open. Do it
	// once no process is left that has the old KEK alone.
	DropOthers bool
	// DryRun reports what is to be done and makes no call to the KMS.
	DryRun bool
}

// RewrapReport is what [Manager.Rewrap] found when it was through.
type RewrapReport struct {
	Keys            int     // data keys that are not destroyed
	Moved           int     // of these, whose wrappings were changed
	UnderReplicated []KeyID // which not all of the ring's KEKs have wrapped
	Others          []KeyID // which other KEKs have wrapped too
}

// Rewrap moves a purpose's data keys under the KEKs that guard its ring now. No
// record is touched, and keys serve meanwhile. Each key is stored as soon as it was
// moved, so a call that failed or was stopped is made once more; made by two
// processes at once it does no harm. Nothing is replaced or dropped before what
// takes its place was seen to open to the same key. A key that fails is left as it
// was, the others are moved; the error joins all failures, and comes with the
// report. Disabled keys are moved like others: that does not enable them.
func (m *Manager) Rewrap(ctx context.Context, p Purpose, o *RewrapOptions) (RewrapReport, error) {
	if !p.Valid() {
		return RewrapReport{}, &OptionError{"purpose", "is unknown"}
	}
	r, err := m.sharedRing(p)
	if err != nil {
		return RewrapReport{}, err
	}
	return r.rewrap(ctx, o)
}

// Rewrap is [Manager.Rewrap] for the scope's ring.
func (s *Scope) Rewrap(ctx context.Context, o *RewrapOptions) (RewrapReport, error) {
	return s.ring.rewrap(ctx, o)
}

func (r *ring) rewrap(ctx context.Context, given *RewrapOptions) (report RewrapReport, err error) {
	if r.m.store == nil {
		return report, ErrNoStates
	}
	var o RewrapOptions
	if given != nil {
		o = *given
	}
	err = r.m.during(ctx, func(ctx context.Context) error {
		g, err := r.guard(ctx)
		if err != nil {
			return err
		}
		records, _, err := r.list(ctx)
		if err != nil {
			return err
		}
		w := &rewrapping{ring: r, guard: g, o: o}
		var errs []error
		for i := range records {
			if records[i].State == Destroyed {
				continue
			}
			if ctx.Err() != nil {
				return errors.Join(append(errs, ctx.Err())...)
			}
			rec, moved, err := records[i], false, error(nil)
			if !o.DryRun {
				if rec, moved, err = w.move(ctx, rec); rec.State == Destroyed {
					continue // by another process meanwhile: it needs nothing any more
				}
				if err != nil {
					err = fmt.Errorf("keys: rewrap data key %v: %w", rec.ID, err)
				}
				if moved || err != nil {
					r.tell(ctx, Event{Kind: Rewrapped, Key: rec.ID, Err: err})
				}
			}
			report.Keys++
			if moved {
				report.Moved++
			}
			lacks, others := g.compare(rec.Wrapped)
			if lacks {
				report.UnderReplicated = append(report.UnderReplicated, rec.ID)
			}
			if others {
				report.Others = append(report.Others, rec.ID)
			}
			errs = append(errs, err)
		}
		return errors.Join(errs...)
	})
	return report, err
}

// compare reports what wrappings lack, and whether there are others than the
// guard's.
func (g *guard) compare(wrapped []Wrapping) (lacks, others bool) {
	for _, k := range g.keks {
		lacks = lacks || find(wrapped, k.ID()) == nil
	}
	for _, w := range wrapped {
		others = others || !g.wraps(w.KEK)
	}
	return lacks, others
}

func (g *guard) wraps(id string) bool {
	return slices.ContainsFunc(g.keks, func(k KEK) bool { return k.ID() == id })
}

func find(wrapped []Wrapping, kek string) []byte {
	for _, w := range wrapped {
		if w.KEK == kek {
			return w.Bytes
		}
	}
	return nil
}

// rewrapping is one run over a ring.
type rewrapping struct {
	ring  *ring
	guard *guard
	o     RewrapOptions
}

// move rewraps one key and stores it; others may change the ring meanwhile.
func (w *rewrapping) move(ctx context.Context, rec Record) (Record, bool, error) {
	lacks, others := w.guard.compare(rec.Wrapped)
	if w.o.MissingOnly && !lacks && !(others && w.o.DropOthers) {
		return rec, false, nil
	}
	next, failed := w.wrappings(ctx, rec)
	if next == nil || sameWrappings(next, rec.Wrapped) {
		return rec, false, failed
	}
	for range maxConflicts {
		now, version, err := w.ring.m.find(ctx, rec.ID)
		if err != nil {
			return rec, false, errors.Join(failed, err)
		}
		if !sameWrappings(now.Wrapped, rec.Wrapped) {
			return now, false, failed // another process rewrapped or destroyed it: that stays
		}
		now.Wrapped = next
		err = w.ring.m.store.CompareAndSwap(ctx, w.ring.id, version, []Record{now})
		if errors.Is(err, ErrConflict) {
			continue
		}
		if err != nil {
			return rec, false, errors.Join(failed, fmt.Errorf("store: %w", err))
		}
		return now, true, failed
	}
	return rec, false, errors.Join(failed, ErrConflict)
}

func sameWrappings(a, b []Wrapping) bool {
	return slices.EqualFunc(a, b, func(a, b Wrapping) bool { return a.KEK == b.KEK && string(a.Bytes) == string(b.Bytes) })
}

// wrappings makes what a key shall be wrapped by, as far as it could be made.
func (w *rewrapping) wrappings(ctx context.Context, rec Record) ([]Wrapping, error) {
	r, b := w.ring, w.ring.binding(rec.ID, rec.Created)
	var room [DataKeySize]byte
	var raw []byte
	err := w.ring.m.inTime(ctx, func(ctx context.Context) (err error) {
		raw, err = r.open(ctx, w.guard, room[:0], rec.Wrapped, b)
		return err
	})
	defer clear(raw)
	if err != nil {
		return nil, err
	}
	var next []Wrapping
	var errs []error
	opening := 0 // how many of the ring's KEKs were seen to open what is kept
	for _, k := range w.guard.keks {
		old := find(rec.Wrapped, k.ID())
		bytes := old
		if old == nil || !w.o.MissingOnly {
			var err error
			if bytes, err = w.renewed(ctx, k, old, raw, b); err != nil {
				errs = append(errs, w.guard.failure(k, "rewrap", err))
				bytes = old
			} else if v, ok := k.(Versioned); ok && old != nil && v.Version(old) != "" && v.Version(old) == v.Version(bytes) {
				bytes = old // the newest already
			}
		}
		if bytes == nil {
			continue
		}
		if old == nil || string(old) != string(bytes) || w.o.DropOthers {
			if err := w.opens(ctx, k, bytes, raw, b); err != nil {
				errs = append(errs, w.guard.failure(k, "unwrap", err))
				if bytes = old; old == nil {
					continue
				}
			} else {
				opening++
			}
		}
		next = append(next, Wrapping{KEK: k.ID(), Bytes: bytes})
	}
	for _, other := range rec.Wrapped {
		if !w.guard.wraps(other.KEK) && (!w.o.DropOthers || opening < w.guard.quorum) {
			next = append(next, other)
		}
	}
	return next, errors.Join(errs...)
}

// renewed wraps under a KEK's newest version, without the key in clear where the
// KEK can do that.
func (w *rewrapping) renewed(ctx context.Context, k KEK, old, raw []byte, b Binding) (fresh []byte, err error) {
	op, call := OpWrap, func(ctx context.Context) (err error) {
		fresh, err = k.Wrap(ctx, nil, raw, b)
		return err
	}
	if rw, ok := k.(Rewrapper); ok && old != nil {
		op, call = OpRewrap, func(ctx context.Context) (err error) {
			fresh, err = rw.Rewrap(ctx, nil, old, b)
			return err
		}
	}
	err = w.ring.m.inTime(ctx, func(ctx context.Context) error { return w.ring.kms(ctx, 1, k, op, b.KeyID, call) })
	if err == nil && len(fresh) == 0 {
		err = ErrCorrupt
	}
	return fresh, err
}

// opens reports whether a wrapping opens to the very data key.
func (w *rewrapping) opens(ctx context.Context, k KEK, wrapped, raw []byte, b Binding) error {
	var room [DataKeySize]byte
	defer clear(room[:])
	return w.ring.m.inTime(ctx, func(ctx context.Context) error {
		out, err := w.ring.unwrapBy(ctx, k, 1, room[:0], wrapped, b)
		defer clear(out)
		if err == nil && subtle.ConstantTimeCompare(out, raw) != 1 {
			err = fmt.Errorf("opens to another key: %w", ErrCorrupt)
		}
		return err
	})
}
