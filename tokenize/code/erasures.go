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
	// Receipt is that of its destruction, nil where none was given. An epoch that has
	// one and is not destroyed came back with an old copy of the ephemeral store.
	Receipt *keys.Receipt
}

// Erasures lists the epochs that exist and those that were destroyed, oldest first.
// That one was destroyed, and when, is told by its receipt, which has to come from
// where it was chained: events of audit.DestroyKey in a verified audit log. Of
// an epoch without receipt the ephemeral store alone says so. Receipts of other keys
// are passed over.
func (t *Transient) Erasures(ctx context.Context, receipts ...keys.Receipt) ([]Epoch, error) {
	records, err := t.keys.Records(ctx, keys.CVC)
	if err != nil {
		return nil, tokenize.AsError(err)
	}
	by := map[keys.KeyID]*keys.Receipt{}
	for i := range receipts {
		r := &receipts[i]
		// Another process may have been given a second receipt, with a later LastUse.
		if first := by[r.Key]; r.Ring == t.ring() && (first == nil || r.LastUse.Before(first.LastUse)) {
			by[r.Key] = r
		}
	}
	var epochs []Epoch
	for i := range records {
		r := &records[i]
		e := Epoch{Key: r.ID, State: r.State, Created: r.Created, Changed: r.Changed, Receipt: by[r.ID]}
		delete(by, r.ID)
		if e.Codes, err = t.store.CountCodes(ctx, r.ID); err != nil {
			return nil, tokenize.AsError(err)
		}
		epochs = append(epochs, e)
	}
	for id, r := range by {
		epochs = append(epochs, Epoch{Key: id, State: keys.Destroyed, Receipt: r})
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
