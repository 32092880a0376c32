package code

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

// Epoch is a data key that transient codes are or were sealed under.
type Epoch struct {
	Key     keys.KeyID
	State   keys.State
	Created time.Time // zero where the ephemeral store knows nothing of it any more
	Changed time.Time // when it came into that state, likewise
	Codes   uint64    // sealed under it, those that expired and were not swept included
	// Receipt is that of its destruction, the first one, nil where none was given.
	Receipt *keys.Receipt
	// Back says that the epoch came back with an old copy of the ephemeral store: it has a
	// receipt and is there, or was destroyed once more, at another time than the receipt's.
	Back bool
}

// Erasures lists the epochs that exist and those that were destroyed, oldest first.
// That one was destroyed, and when, is told by its receipt, which has to come from
// where it was chained: events of audit.DestroyKey in a verified audit log. Of
// an epoch without receipt the ephemeral store alone says so. Receipts of other keys
// are passed over. The store is asked to count the codes of each epoch, but not of those
// that are destroyed by a receipt which says that no code was lost: since then it has
// taken none.
func (t *Transient) Erasures(ctx context.Context, receipts ...keys.Receipt) ([]Epoch, error) {
	records, err := t.keys.Records(ctx, keys.CVC)
	if err != nil {
		return nil, tokenize.AsError(err)
	}
	by, twice := map[keys.KeyID]*keys.Receipt{}, map[keys.KeyID]bool{}
	for i := range receipts {
		r := &receipts[i]
		if r.Ring != t.ring() {
			continue
		}
		// Another process may have been given a second receipt, with a later LastUse, but
		// of the same destruction.
		first := by[r.Key]
		if first != nil && !first.Destroyed.Equal(r.Destroyed) {
			twice[r.Key] = true
		}
		if first == nil || r.LastUse.Before(first.LastUse) {
			by[r.Key] = r
		}
	}
	var epochs []Epoch
	for i := range records {
		r := &records[i]
		e := Epoch{Key: r.ID, State: r.State, Created: r.Created, Changed: r.Changed, Receipt: by[r.ID]}
		delete(by, r.ID)
		e.Back = twice[r.ID] || e.Receipt != nil && (r.State != keys.Destroyed || !r.Changed.Equal(e.Receipt.Destroyed))
		if e.Receipt == nil || e.Receipt.Records > 0 || e.Back {
			if e.Codes, err = t.store.CountCodes(ctx, r.ID); err != nil {
				return nil, tokenize.AsError(err)
			}
		}
		epochs = append(epochs, e)
	}
	for id, r := range by {
		epochs = append(epochs, Epoch{Key: id, State: keys.Destroyed, Receipt: r, Back: twice[id]})
	}
	slices.SortStableFunc(epochs, func(a, b Epoch) int { return cmp.Or(a.at().Compare(b.at()), slices.Compare(a.Key[:], b.Key[:])) })
	return epochs, nil
}

func (t *Transient) ring() keys.RingID {
	return keys.RingID{Environment: t.keys.Environment(), Purpose: keys.CVC}
}

// at is when the epoch began, or by when it had.
func (e *Epoch) at() time.Time {
	if e.Created.IsZero() && e.Receipt != nil {
		return e.Receipt.Destroyed
	}
	return e.Created
}
