package code

import (
	"context"
	"errors"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// resealStep is how many codes are brought under the key that is active at one moment.
const resealStep = 500

// Reseal brings an issuer's codes under the active data key while they serve, as
// [tokenize.Repository.Reseal] does with cards, and returns how many it sealed anew.
// Nothing else of a code changes. A code that cannot be opened is left as it is, and
// tokenize.ErrUnsealed returned once all others are done. A call that was stopped is
// made once more; several at once do no harm. Begin when the seal leases of all
// processes are over since the rotation. The caller needs tokenize.MayUpdate.
// Transient codes are not sealed anew: they end with their key.
func (s *Codes) Reseal(ctx context.Context, c tokenize.Caller) (int, error) {
	correlation := s.correlation(ctx)
	fail := func(n int, err error) (int, error) { return n, s.a.Fault(err, correlation) }
	if s.kept.owners {
		return fail(0, invalid("policy", tokenize.Unsupported, "keeps codes that end with their data key"))
	}
	if err := s.a.Admit(ctx, &c, tokenize.CodeReseal); err != nil {
		return fail(0, err)
	}
	e := s.a.Event(&c, tokenize.CodeReseal, correlation)
	e.Reason, e.Outcome = "security codes", audit.Begun
	if err := s.a.Record(ctx, e); err != nil {
		return fail(0, err)
	}
	n, err := s.resealAll(ctx)
	if err == nil {
		e.Outcome = audit.Done
		err = s.a.Record(ctx, e)
	}
	if err != nil {
		return fail(n, err)
	}
	return n, nil
}

func (s *Codes) resealAll(ctx context.Context) (n int, err error) {
	var batch []store.Code
	left := false
	step := func() error {
		done, unopened, err := s.resealStep(ctx, batch)
		n, left, batch = n+done, left || unopened, batch[:0]
		return err
	}
	for c, err := range s.kept.store.ScanCodes(ctx, s.kept.scope) {
		if err != nil {
			return n, err
		}
		if batch = append(batch, c); len(batch) == resealStep {
			if err := step(); err != nil {
				return n, err
			}
		}
	}
	if err := step(); err != nil {
		return n, err
	}
	if left {
		return n, s.a.Rejected("", "UNSEALED", tokenize.ErrUnsealed)
	}
	return n, nil
}

// resealStep asks for the active key only once the codes were read: none of them can
// lie under a later one then, and none is brought back to an earlier key.
func (s *Codes) resealStep(ctx context.Context, codes []store.Code) (done int, left bool, err error) {
	ring, err := s.a.Ring()
	if err != nil {
		return 0, false, err
	}
	ring.Refresh()
	active, err := ring.ActiveKey(ctx)
	if err != nil {
		return 0, false, err
	}
	for i := range codes {
		changed, err := s.reseal(ctx, &codes[i], active)
		switch {
		case changed:
			done++
		case err != nil && !s.a.Fatal(ctx, err):
			left = true
		case err != nil:
			return done, left, err
		}
	}
	return done, left, nil
}

func (s *Codes) reseal(ctx context.Context, c *store.Code, active keys.KeyID) (bool, error) {
	if id, ok := envelope.StoredKeyID(c.Record); ok && id == active {
		return false, nil
	}
	code, err := s.kept.open(ctx, c)
	if err != nil {
		return false, err
	}
	b := bound(c)
	err = s.kept.written(func() error {
		record, err := s.kept.sealer.SealCVC(ctx, nil, code, &b)
		if err == nil {
			err = s.kept.fences.cross(ctx, record)
		}
		if err != nil {
			return err
		}
		return s.kept.store.ReplaceRecord(ctx, *c, record)
	})
	if errors.Is(err, store.ErrConflict) { // replaced or erased meanwhile
		return false, nil
	}
	return err == nil, err
}
