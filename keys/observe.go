package keys

import (
	"context"
	"time"
)

// Observer is told what a [Manager] does beside the warm path. Observe is called
// by the goroutine that did it, holding no lock: it must not block for long, and
// may be called by many at once. Errors may quote a vendor's words, never a key.
type Observer interface {
	Observe(ctx context.Context, e Event)
}

// EventKind says what happened. The zero value is invalid.
type EventKind uint8

const (
	KMSCall         EventKind = iota + 1 // one try of one call to a KMS: Op, KEK, Key, Err, Took
	CacheHit                             // a look-up found its data key in memory: Key
	CacheMiss                            // a look-up goes to store and KMS: Key
	Grace                                // a key past its life serves, as the KMS is away: Key, Err
	Refreshed                            // a data key in use was asked for again: Key, Err, Took
	Ended                                // a data key was given up since it was disabled, denied or lost: Key
	Rotated                              // a new data key is active: Key, Err
	RingRead                             // the ring was read from the store, for the seal lease or a change: Err, Took
	UnderReplicated                      // fewer than all KEKs wrapped a data key: Key, Err
	StateChanged                         // this process changed a key's state: Key, State
	Rewrapped                            // a data key's wrappings were moved: Key, Err
)

// String is the kind in lower case.
func (k EventKind) String() string {
	names := [...]string{"invalid", "kms call", "cache hit", "cache miss", "grace", "refreshed", "ended",
		"rotated", "ring read", "under-replicated", "state changed", "rewrapped"}
	if int(k) >= len(names) {
		return names[0]
	}
	return names[k]
}

// Op is a call to a KMS.
type Op string

// The calls to a KMS.
const (
	OpWrap     Op = "wrap"
	OpUnwrap   Op = "unwrap"
	OpGenerate Op = "generate"
	OpRewrap   Op = "rewrap"
	OpDestroy  Op = "destroy"
)

// Event is one thing a [Manager] did. Fields that its kind does not name are zero.
type Event struct {
	Kind  EventKind
	Ring  RingID
	Key   KeyID
	KEK   string // canonical ID
	Op    Op
	State State
	Err   error // nil: it went well
	Took  time.Duration
}

// tell is for places where no lock is held.
func (r *ring) tell(ctx context.Context, e Event) {
	e.Ring = r.id
	r.m.tell(ctx, e)
}

func (m *Manager) tell(ctx context.Context, e Event) {
	if m.o.Observer != nil {
		m.o.Observer.Observe(ctx, e)
	}
}
