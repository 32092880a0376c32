package keys

import (
	"context"
	"fmt"
)

// What an operator does to a ring is asked of any of its scopes. In the Shared
// layout that is every scope of the purpose.

// Ring is the ring whose data keys the scope uses.
func (s *Scope) Ring() RingID { return s.ring.id }

// Rotate is [Manager.Rotate] for the scope's ring.
func (s *Scope) Rotate(ctx context.Context) (KeyID, error) {
	if s.ring.id.Purpose == Index {
		return KeyID{}, errIndex
	}
	return s.ring.rotateKey(ctx)
}

// RotateIndex is [Manager.RotateIndex] for the scope's ring, which must be one of
// purpose [Index].
func (s *Scope) RotateIndex(ctx context.Context) (KeyID, error) {
	if s.ring.id.Purpose != Index {
		return KeyID{}, fmt.Errorf("%w: it is no index ring", ErrNotRotatable)
	}
	return s.ring.rotateKey(ctx)
}

// Records is [Manager.Records] for the scope's ring.
func (s *Scope) Records(ctx context.Context) ([]Record, error) { return s.ring.records(ctx) }
