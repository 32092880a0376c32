package code

import (
	"context"
	"errors"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Reseal brings an issuer's codes under the active data key, as tokenize's Reseal does
// with cards, and returns how many it sealed anew. Nothing else of a code changes. It
// goes on behind a code that cannot be opened, and says so in the end; stopped, it is
// called once more. Call it when the seal leases of all processes are over since the
// rotation. Transient codes are not sealed anew: they end with their key.
func (s *Codes) Reseal(ctx context.Context) (int, error) {
	if s.kept.owners {
		return 0, invalid("policy", tokenize.Unsupported, "keeps codes that end with their data key")
	}
	ring, err := s.a.Ring()
	if err != nil {
		return 0, err
	}
	ring.Refresh()
	active, err := ring.ActiveKey(ctx)
	if err != nil {
		return 0, tokenize.AsError(err)
	}
	n, unopened := 0, error(nil)
	for c, err := range s.kept.store.ScanCodes(ctx, s.kept.scope) {
		if err == nil {
			err = s.reseal(ctx, &c, active, &n)
		}
		switch {
		case errors.Is(err, envelope.ErrOpen) && ctx.Err() == nil:
			unopened = err
		case err != nil:
			return n, tokenize.AsError(err)
		}
	}
	return n, tokenize.AsError(unopened)
}

func (s *Codes) reseal(ctx context.Context, c *store.Code, active keys.KeyID, n *int) error {
	if id, ok := envelope.StoredKeyID(c.Record); ok && id == active {
		return nil
	}
	code, err := s.kept.open(ctx, c)
	if err != nil {
		return err
	}
	err = s.kept.written(func() error {
		record, err := s.kept.sealer.SealCVC(ctx, nil, code, bound(c))
		if err == nil {
			err = s.kept.fences.cross(ctx, record)
		}
		if err != nil {
			return err
		}
		return s.kept.store.ReplaceRecord(ctx, *c, record)
	})
	switch {
	case err == nil:
		*n++
	case errors.Is(err, store.ErrConflict): // replaced or erased meanwhile
		return nil
	}
	return err
}
