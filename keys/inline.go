package keys

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
)

// NewKEKID draws the name under which a KEK appears in inline records.
func NewKEKID() (id envelope.KEKID) {
	rand.Read(id[:])
	return id
}

// inlineKey returns the data key this process seals under, made if there is
// none, its life is over or it is too old.
func (r *ring) inlineKey(ctx context.Context, m moment) (*dataKey, error) {
	r.mu.Lock()
	own := r.own // nil once it was dropped
	serves := own != nil && own.phase != stale
	r.mu.Unlock()
	if serves && !r.overdue(own.created) && r.cached(own.ref.KeyID) == own {
		return own, nil
	}
	id, created := envelope.NewKeyID(), time.Now().UTC().Truncate(time.Second)
	raw, wrapped, err := r.newKey(ctx, id, created)
	if err != nil {
		if own != nil && unreachable(err) {
			if serves {
				return own, nil
			}
			if k := r.inGrace(ctx, own.ref, err); k != nil {
				return k, nil
			}
		}
		return nil, err
	}
	defer clear(raw)
	k, err := r.hold(envelope.Reference{
		KeyID: id, KEK: r.m.kekID, Created: created.Unix(), Wrapped: wrapped[0].Bytes,
	}, created, raw, m)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.held[id] == k { // otherwise it is gone again, and begin will say so
		r.own = k
	}
	return k, nil
}

// inlineWrapping is what an inline record carries, as a store would have it.
func (r *ring) inlineWrapping(wrapped []byte) []Wrapping {
	return []Wrapping{{KEK: r.m.KEK().ID(), Bytes: wrapped}}
}

// carriedKey returns the data key that an inline record carries. Only a key not
// yet in memory costs a KMS call, and those are counted against the budget.
func (s *Scope) carriedKey(ctx context.Context, ref *envelope.Reference) (*dataKey, error) {
	r := s.ring
	if r.m.store != nil || ref.KEK != r.m.kekID {
		return nil, envelope.ErrUnknownKey
	}
	if k := r.look(ctx, ref.KeyID); k != nil {
		return k, nil
	}
	// A crowd that waits for one key takes one from its scope's budget. The
	// reference is copied, since a caller may leave and reuse the buffer it is in.
	own := *ref
	own.Wrapped = slices.Clone(ref.Wrapped)
	name := fmt.Sprintf("carried %q %v %d %x", s.place.Scope, own.KeyID, own.Created, own.Wrapped)
	v, err := r.wait(ctx, name, func(ctx context.Context) (any, error) {
		if k := r.cached(own.KeyID); k != nil {
			return k, nil
		}
		if !s.budget.take() {
			return nil, ErrThrottled
		}
		return r.unwrap(ctx, own, time.Unix(own.Created, 0).UTC(), r.inlineWrapping(own.Wrapped), r.moment())
	})
	if errors.Is(err, ErrCorrupt) {
		return nil, envelope.ErrOpen
	}
	if err != nil {
		return nil, err
	}
	return v.(*dataKey), nil
}

// budget lets a number of calls through in a minute.
type budget struct {
	perMinute int
	mu        sync.Mutex
	tokens    float64
	filled    time.Time
}

func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	t := time.Now()
	if b.filled.IsZero() {
		b.tokens = float64(b.perMinute)
	} else {
		b.tokens += t.Sub(b.filled).Minutes() * float64(b.perMinute)
		b.tokens = min(b.tokens, float64(b.perMinute))
	}
	b.filled = t
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
