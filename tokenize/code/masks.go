package code

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// named are the masks that records of the first store name.
func named(records []keys.Record) (masks []keys.KeyID) {
	for _, r := range records {
		if id := maskOf(&r); id != nil {
			masks = append(masks, *id)
		}
	}
	return masks
}

// erase takes those of the masks out of the second store that the first does not name.
// The first is asked last, so that none is erased that it came to name meanwhile.
func (h *halves) erase(ctx context.Context, ring keys.RingID, ours func(mask *keys.Record) bool) error {
	for range maxConflicts {
		masks, version, err := h.second.List(ctx, maskRing(ring))
		if err != nil {
			return err
		}
		masks = slices.DeleteFunc(masks, func(m keys.Record) bool { return m.State == keys.Destroyed || !ours(&m) })
		if len(masks) == 0 {
			return nil
		}
		records, _, err := h.first.List(ctx, ring)
		if err != nil {
			return err
		}
		still := named(records)
		masks = slices.DeleteFunc(masks, func(m keys.Record) bool { return slices.Contains(still, m.ID) })
		if len(masks) == 0 {
			return nil
		}
		for i, m := range masks {
			masks[i] = destroyed(m)
		}
		if err = h.second.CompareAndSwap(ctx, maskRing(ring), version, masks); !errors.Is(err, keys.ErrConflict) {
			return err
		}
	}
	return keys.ErrConflict
}

const maxConflicts = 3

// sweep erases the masks that a crash or a failure left. Which they are, and which another
// first store names, only their time tells: see [both.split].
func (h *halves) sweep(ctx context.Context, ring keys.RingID, skew time.Duration) error {
	return h.erase(ctx, ring, func(m *keys.Record) bool { return time.Since(m.Changed) > skew })
}

// apart reports whether the second store is another than the first, whatever the two are
// called: it asks the first for a record of the second, which gets one without a key
// where it has none.
func (h *halves) apart(ctx context.Context, ring keys.RingID) (bool, error) {
	for range maxConflicts {
		masks, version, err := h.second.List(ctx, maskRing(ring))
		if err != nil {
			return false, err
		}
		if len(masks) > 0 {
			_, err := h.first.Get(ctx, masks[0].ID)
			if errors.Is(err, keys.ErrNotFound) {
				return true, nil
			}
			return false, err
		}
		mark := destroyed(keys.Record{Ring: maskRing(ring)})
		mark.Created = mark.Changed
		rand.Read(mark.ID[:])
		err = h.second.CompareAndSwap(ctx, maskRing(ring), version, []keys.Record{mark})
		if err != nil && !errors.Is(err, keys.ErrConflict) {
			return false, err
		}
	}
	return false, keys.ErrConflict
}
