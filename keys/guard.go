package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"
)

// guard is the KEKs that guard a ring's data keys.
type guard struct {
	keks   []KEK // wrap and unwrap, the preferred first
	old    []KEK // unwrap what they wrapped before
	quorum int   // how many of keks have to wrap a data key before it is used
}

// newGuard checks the KEKs and says which field is at fault.
func newGuard(field string, keks, old []KEK, quorum int) (*guard, error) {
	seen := map[string]bool{}
	for i, list := range [][]KEK{keks, old} {
		for _, k := range list {
			switch {
			case k == nil || k.ID() == "":
				return nil, &OptionError{field, "must not be nil and must have an ID"}
			case seen[k.ID()]:
				return nil, &OptionError{[]string{"KEKs", "OldKEKs"}[i], "name one KEK twice"}
			}
			seen[k.ID()] = true
		}
	}
	if quorum == 0 {
		quorum = len(keks)
	}
	if quorum < 1 || quorum > len(keks) {
		return nil, &OptionError{"Quorum", "must be between 1 and the number of KEKs that wrap"}
	}
	return &guard{keks: keks, old: old, quorum: quorum}, nil
}

// failure is one KEK's failure, named where there are several.
func (g *guard) failure(k KEK, call string, err error) error {
	if len(g.keks)+len(g.old) == 1 {
		return err
	}
	if c, ok := err.(*CallError); ok {
		named := *c
		named.KEK = k.ID()
		return &named
	}
	return &CallError{Call: call, KEK: k.ID(), Kind: kindOf(err), Err: err}
}

// ours orders what a data key is wrapped by: the KEKs this process has, those that
// were away of late last.
func (r *ring) ours(g *guard, wrapped []Wrapping) []wrappedBy {
	var there, away []wrappedBy
	for _, list := range [][]KEK{g.keks, g.old} {
		for _, k := range list {
			for _, w := range wrapped {
				if w.KEK != k.ID() {
					continue
				}
				// Asked once for each: another call may note that one is back.
				if r.m.health.away(w.KEK) {
					away = append(away, wrappedBy{k, w.Bytes})
				} else {
					there = append(there, wrappedBy{k, w.Bytes})
				}
			}
		}
	}
	return append(there, away...)
}

// wrappedBy is a wrapping and the KEK that opens it.
type wrappedBy struct {
	kek   KEK
	bytes []byte
}

// open appends a data key that any of its KEKs unwraps. The time left is shared
// out, so that one that never answers leaves some for the next.
func (r *ring) open(ctx context.Context, g *guard, dst []byte, wrapped []Wrapping, b Binding) ([]byte, error) {
	ours := r.ours(g, wrapped)
	if len(ours) == 0 { // no call: none of this process's KEKs wrapped the key
		return nil, fmt.Errorf("wrapped by another KEK: %w", ErrNotFound)
	}
	var errs []error
	for i, w := range ours {
		out, err := r.unwrapBy(ctx, w.kek, len(ours)-i, dst, w.bytes, b)
		if err == nil {
			return out, nil
		}
		errs = append(errs, g.failure(w.kek, "unwrap", err))
		if ctx.Err() != nil {
			break
		}
	}
	if len(errs) == 1 {
		return nil, errs[0]
	}
	return nil, errors.Join(errs...)
}

func (r *ring) unwrapBy(ctx context.Context, k KEK, of int, dst, wrapped []byte, b Binding) (out []byte, err error) {
	err = r.kms(ctx, of, k, OpUnwrap, b.KeyID, func(ctx context.Context) (err error) {
		out, err = k.Unwrap(ctx, dst, wrapped, b)
		return err
	})
	if err == nil && len(out)-len(dst) != DataKeySize {
		clear(out[min(len(dst), len(out)):])
		err = fmt.Errorf("not 32 bytes: %w", ErrCorrupt)
	}
	return out, err
}

// kms makes one call to a KEK with all its tries, in the given part of the time
// left, and notes whether the KEK could be reached.
func (r *ring) kms(ctx context.Context, part int, k KEK, op Op, id KeyID, call func(context.Context) error) error {
	own := ctx
	if end, ok := ctx.Deadline(); ok && part > 1 {
		var cancel context.CancelFunc
		own, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(part))
		defer cancel()
	}
	err := r.m.ask(own, func(ctx context.Context) error {
		if r.m.o.Observer == nil {
			return call(ctx)
		}
		start := time.Now()
		err := call(ctx)
		r.tell(ctx, Event{Kind: KMSCall, Op: op, KEK: k.ID(), Key: id, Err: err, Took: time.Since(start)})
		return err
	})
	if err != nil && own.Err() != nil && ctx.Err() == nil && !errors.Is(err, ErrUnavailable) {
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	r.m.health.note(k.ID(), err)
	return err
}

// wrap has the ring's KEKs wrap a data key, at once, and is content with a quorum.
// Those that were away of late are asked only if it is not reached without them.
func (r *ring) wrap(ctx context.Context, g *guard, raw []byte, b Binding) ([]Wrapping, error) {
	out, errs := make([]Wrapping, len(g.keks)), make([]error, len(g.keks))
	done := 0
	for wave := range 2 {
		if done >= g.quorum {
			break
		}
		part := 2 - wave // of the time left: the second wave and the store need some
		if len(g.keks) == 1 {
			part = 1
		}
		var wg sync.WaitGroup
		var asked []int
		for i, k := range g.keks {
			if out[i].Bytes != nil || errs[i] != nil || wave == 0 && r.m.health.away(k.ID()) {
				continue
			}
			asked = append(asked, i)
			wg.Go(func() {
				var wrapped []byte
				err := r.kms(ctx, part, k, OpWrap, b.KeyID, func(ctx context.Context) (err error) {
					wrapped, err = k.Wrap(ctx, nil, raw, b)
					return err
				})
				if err == nil && len(wrapped) == 0 {
					err = ErrCorrupt
				}
				if err != nil {
					errs[i] = g.failure(k, "wrap", err)
					return
				}
				out[i] = Wrapping{KEK: k.ID(), Bytes: wrapped}
			})
		}
		wg.Wait()
		for _, i := range asked {
			if errs[i] == nil {
				done++
			}
		}
	}
	var wrapped []Wrapping
	for i := range out {
		if out[i].Bytes != nil {
			wrapped = append(wrapped, out[i])
		}
	}
	if done < g.quorum {
		if len(g.keks) == 1 {
			return nil, errs[0]
		}
		return nil, fmt.Errorf("%d of %d wrappings, want %d: %w", done, len(g.keks), g.quorum, errors.Join(errs...))
	}
	if done < len(g.keks) {
		r.tell(ctx, Event{Kind: UnderReplicated, Key: b.KeyID, Err: errors.Join(errs...)})
	}
	return wrapped, nil
}

// newKey draws a data key and has the KMS wrap it. The caller holds it, once what
// it is stored in is durable.
func (r *ring) newKey(ctx context.Context, id KeyID, created time.Time) (raw []byte, wrapped []Wrapping, err error) {
	b := r.binding(id, created)
	g, err := r.guard(ctx)
	if err != nil {
		return nil, nil, err
	}
	if k, ok := g.keks[0].(Generator); ok && len(g.keks) == 1 {
		w := Wrapping{KEK: g.keks[0].ID()}
		err = r.kms(ctx, 1, g.keks[0], OpGenerate, id, func(ctx context.Context) (err error) {
			raw, w.Bytes, err = k.GenerateDataKey(ctx, nil, b)
			return err
		})
		if err == nil && (len(raw) != DataKeySize || len(w.Bytes) == 0) {
			err = ErrCorrupt
		}
		wrapped = []Wrapping{w}
	} else {
		raw = make([]byte, DataKeySize)
		rand.Read(raw)
		wrapped, err = r.wrap(ctx, g, raw, b)
	}
	if err != nil {
		clear(raw)
		return nil, nil, fmt.Errorf("keys: wrap data key %v: %w", id, err)
	}
	return raw, wrapped, nil
}
