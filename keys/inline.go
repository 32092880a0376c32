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
// none or its life is over.
func (r *ring) inlineKey(ctx context.Context) (*dataKey, error) {
	r.mu.Lock()
	own := r.own // nil once it was dropped
	r.mu.Unlock()
	if own != nil {
		return own, nil
	}
	id, created := envelope.NewKeyID(), time.Now().UTC().Truncate(time.Second)
	raw, wrapped, err := r.newKey(ctx, id, created)
	if err != nil {
		return nil, err
	}
	defer clear(raw)
	k, err := r.hold(envelope.Reference{
		KeyID: id, KEK: r.m.kekID, Created: created.Unix(), Wrapped: wrapped,
	}, raw)
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

// carriedKey returns the data key that an inline record carries. Only a key not
// yet in memory costs a KMS call, and those are counted against the budget.
func (s *Scope) carriedKey(ctx context.Context, ref *envelope.Reference) (*dataKey, error) {
	r := s.ring
	if r.m.store != nil || ref.KEK != r.m.kekID {
		return nil, envelope.ErrUnknownKey
	}
	if k := r.cached(ref.KeyID); k != nil {
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
		return r.unwrap(ctx, own, time.Unix(own.Created, 0).UTC(), own.Wrapped)
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
