package capture

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// maxConflicts is how often Retire begins anew because another process changed
// the key.
const maxConflicts = 8

// Retire makes a key open nothing from a time on, which is now where at is zero.
// It never lengthens a key's life. A key that the store lacks is [ErrNoKey].
func (r *Keyring) Retire(ctx context.Context, alias string, id KeyID, at time.Time) error {
	if at.IsZero() {
		at = time.Now()
	}
	at = at.UTC().Truncate(time.Second)
	var err error
	for range maxConflicts {
		var row Key
		var k *openKey
		if row, k, err = r.get(ctx, alias, id); err != nil || !at.Before(row.Retires) {
			return err
		}
		row.Retires = at
		// Sealed anew, since the time is bound.
		if err = r.put(ctx, row, k, row.Sealed); !errors.Is(err, store.ErrConflict) {
			return err
		}
	}
	return err
}

// Reseal seals those keys of the scope anew which are not under the ring's active
// data key, so that an older data key can be destroyed, and returns how many that
// were. Retired keys are among them. With inline data keys that is every key. Keys that
// do not unseal are left as they are, and named by a [DamagedError] in the end.
func (r *Keyring) Reseal(ctx context.Context) (int, error) {
	r.sealer.Refresh()
	active, err := r.sealer.ActiveKey(ctx)
	if err != nil {
		return 0, err
	}
	rows, err := r.store.List(ctx, r.scope, "")
	if err != nil {
		return 0, fmt.Errorf("capture: key store: %w", err)
	}
	n := 0
	var lost DamagedError
	for _, row := range rows {
		if id, ok := envelope.StoredKeyID(row.Sealed); ok && id == active {
			continue
		}
		k, err := r.unseal(ctx, &row)
		if err != nil {
			if err := lost.add(ctx, row.ID, err); err != nil {
				return n, err
			}
			continue
		}
		switch err := r.put(ctx, row, k, row.Sealed); {
		case errors.Is(err, store.ErrConflict): // whoever changed it sealed it anew
		case err != nil:
			return n, err
		default:
			n++
		}
	}
	return n, lost.orNil()
}
