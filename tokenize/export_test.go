package tokenize

import (
	"context"

	"github.com/cardseal/cardseal/keys"
)

// What the external tests see of the inside.

// RecodeState reads a stored state and writes it again.
func RecodeState(stored []byte) ([]byte, error) {
	s, err := decodeState(stored)
	if err != nil {
		return nil, err
	}
	return s.encode()
}

// Pinned pins a ring's active key.
func (r *Repository) Pinned(ctx context.Context, p keys.Purpose) (keys.KeyID, error) {
	return r.pinned(ctx, p)
}
