package keys

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// KeyID names a data key.
type KeyID = envelope.KeyID

// RingID names a ring: the data keys of one environment and purpose, and in the
// PerScope layout of one scope. Scope is empty in the Shared layout.
type RingID struct {
	Environment string
	Purpose     Purpose
	Scope       string
}

// State is where a data key is in its life. The zero value is invalid.
type State uint8

const (
	Active    State = iota + 1 // seals and opens; one key of a ring at most
	Retired                    // opens only
	Disabled                   // neither; can come back
	Destroyed                  // neither, for good: its wrapped forms are gone
)

// String is the state in lower case.
func (s State) String() string {
	switch s {
	case Active:
		return "active"
	case Retired:
		return "retired"
	case Disabled:
		return "disabled"
	case Destroyed:
		return "destroyed"
	}
	return "invalid"
}

// Wrapping is a data key as one KEK wrapped it.
type Wrapping struct {
	KEK   string // the canonical KEK.ID
	Bytes []byte
}

// Record is a data key as a [Store] keeps it. It holds no secret in clear.
type Record struct {
	ID      KeyID
	Ring    RingID
	State   State
	Created time.Time // whole seconds, UTC; bound into every wrapping
	Changed time.Time // when State last changed; whole seconds, UTC
	Wrapped []Wrapping
}

// Store keeps the wrapped data keys of many rings. Implementations are safe for
// concurrent use by many processes; [CompareAndSwap] is what they agree by. What
// it returned without error is durable. keystest holds the conformance suite.
//
// [CompareAndSwap]: Store.CompareAndSwap
type Store interface {
	// Get returns the record of one key, or [ErrNotFound].
	Get(ctx context.Context, id KeyID) (Record, error)
	// List returns the ring's records, oldest first (by Created, then ID), and
	// the ring's version. A ring nothing was ever put into is empty with
	// version 0 and is no error.
	List(ctx context.Context, ring RingID) ([]Record, uint64, error)
	// CompareAndSwap puts records (new ones, or in place of those with the same
	// ID) and raises the ring's version by one, all in one step, if the ring's
	// version still is the one given; otherwise it changes nothing and returns
	// [ErrConflict]. Every record's Ring must equal ring.
	CompareAndSwap(ctx context.Context, ring RingID, version uint64, put []Record) error
}
