package audit

import (
	"context"

	"github.com/cardseal/cardseal/crypto/chain"
	"github.com/cardseal/cardseal/keys"
)

// Keys is where a chain's keys come from: a [*keys.Scope] of purpose [keys.Audit], of
// a manager that keeps its keys in a store, since inline keys end with the process.
type Keys interface {
	// ActiveKey names the data key to write under.
	ActiveKey(ctx context.Context) (keys.KeyID, error)
	// Subkey derives 32 bytes from the data key named.
	Subkey(ctx context.Context, id keys.KeyID, label string) ([]byte, error)
}

// Labels of the key that is derived, and of what it signs.
const (
	keyLabel  = "cardseal audit chain"
	lineLabel = "cardseal audit line"
)

// chainKey sets up the key of a chain that a data key gives.
func chainKey(ctx context.Context, k Keys, id keys.KeyID, c chain.ID) (*chain.Key, error) {
	raw, err := k.Subkey(ctx, id, keyLabel)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	return chain.NewKey(raw, lineLabel, c)
}
