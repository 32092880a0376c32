package capture

import (
	"context"
	"fmt"
	"sync"
	"time"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Replay is what must be remembered of a message, so that it is taken once. The
// digest is keyed; it tells nothing of the card.
type Replay struct {
	Scope  string
	Digest [cryptocapture.DigestSize]byte
	Until  time.Time // after it the message is too old everywhere
}

// ReplayStore remembers messages.
type ReplayStore interface {
	// Insert remembers r up to and at r.Until, or returns ErrReplayed if its digest
	// is remembered already. Of any number of calls with one digest, made at once, one
	// succeeds.
	Insert(ctx context.Context, r Replay) error
}

// StoredReplays remembers the messages of one scope in a card store, where the saves
// of a repository with that scope ID remember theirs. For how long a card store
// does, the clocks of its users say, which must be right within [Skew].
func StoredReplays(cards store.Cards, scope store.ScopeID) ReplayStore {
	return storedReplays{cards, scope}
}

type storedReplays struct {
	cards store.Cards
	scope store.ScopeID
}

func (s storedReplays) Insert(ctx context.Context, r Replay) error {
	before, err := s.cards.Spend(ctx, s.scope, []store.Spend{r.Spend(time.Now())})
	if err != nil {
		return fmt.Errorf("capture: replays: %w", err)
	}
	if before[0] {
		return ErrReplayed
	}
	return nil
}

// Spend is what a [store.Write] inserts for the message at a time.
func (r *Replay) Spend(now time.Time) store.Spend {
	// A millisecond more, since fractions of one are cut off.
	return store.Spend{Digest: r.Digest, Now: now.UnixMilli(), Until: r.Until.UnixMilli() + 1}
}

// MemoryReplays remembers messages in memory: for one process, and until it
// ends. Messages taken within 19 minutes before a restart could be replayed after
// it, where nothing else prevents that.
type MemoryReplays struct {
	max   int
	mu    sync.Mutex
	until map[digest]time.Time
	queue []remembered // in the order they came, which is about that of their ends
}

type digest = [cryptocapture.DigestSize]byte

type remembered struct {
	digest digest
	until  time.Time
}

// defaultReplays is how many messages are remembered at once where nothing else
// is said: 229 a second over 19 minutes, in some 30 MB.
const defaultReplays = 1 << 18

// NewMemoryReplays remembers at most max messages at a time, or 262,144 where max
// is 0; beyond that Insert answers [ErrReplaysFull], since forgetting one would let
// it be replayed.
func NewMemoryReplays(max int) *MemoryReplays {
	if max <= 0 {
		max = defaultReplays
	}
	return &MemoryReplays{max: max, until: map[digest]time.Time{}}
}

// Insert remembers r, or returns [ErrReplayed] or [ErrReplaysFull].
func (s *MemoryReplays) Insert(ctx context.Context, r Replay) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	s.forget(now)
	if until, ok := s.until[r.Digest]; ok && !now.After(until) {
		return ErrReplayed
	}
	if len(s.queue) >= s.max {
		return ErrReplaysFull
	}
	s.until[r.Digest] = r.Until
	s.queue = append(s.queue, remembered{r.Digest, r.Until})
	return nil
}

// forget drops from the front of the queue what is past.
func (s *MemoryReplays) forget(now time.Time) {
	for len(s.queue) > 0 && now.After(s.queue[0].until) {
		// A digest that came again after its end has a later entry of its own.
		if q := s.queue[0]; now.After(s.until[q.digest]) {
			delete(s.until, q.digest)
		}
		s.queue = s.queue[1:]
	}
}
