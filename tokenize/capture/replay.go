package capture

import (
	"context"
	"fmt"
	"sync"
	"time"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Replay is what must be remembered of a message, so that it is taken once. It is to be
// inserted within [Skew] of the opening: after that, what others remembered may have
// ended. The digest is keyed; it tells nothing of the card.
type Replay struct {
	Scope  string
	Digest [cryptocapture.DigestSize]byte
	Until  time.Time // after it the message is too old everywhere
}

// ReplayStore remembers messages.
type ReplayStore interface {
	// Insert remembers r up to and at r.Until, or returns ErrReplayed if its digest
	// is remembered already. Of any number of calls with one digest, made at once, one
	// succeeds. A message that was opened more than Skew ago is ErrStale, to be opened
	// anew.
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
	now := time.Now()
	if r.tooLate(now) {
		return ErrStale
	}
	before, err := s.cards.Spend(ctx, s.scope, []store.Spend{r.Spend(now)})
	if err != nil {
		return fmt.Errorf("capture: replays: %w", err)
	}
	if before[0] {
		return ErrReplayed
	}
	return nil
}

// tooLate reports whether the message was opened more than Skew ago. One that is taken
// on another clock at the first moment and opened here at the last is forgotten there
// that long after.
func (r *Replay) tooLate(now time.Time) bool { return r.Until.Sub(now) < ReplayLife-Skew }

// Spend is what a [store.Write] inserts for the message, which was fresh at the time.
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

// Insert remembers r, or returns [ErrReplayed], [ErrStale] or [ErrReplaysFull].
func (s *MemoryReplays) Insert(ctx context.Context, r Replay) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if r.tooLate(now) {
		return ErrStale
	}
	s.forget(now)
	if until, ok := s.until[r.Digest]; ok && !past(until, now) {
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
	for len(s.queue) > 0 && past(s.queue[0].until, now) {
		// A digest that came again after its end has a later entry of its own.
		if q := s.queue[0]; past(s.until[q.digest], now) {
			delete(s.until, q.digest)
		}
		s.queue = s.queue[1:]
	}
}

// past reports a time that is over by the monotonic and by the wall clock: whether a
// message is fresh the latter says, which may be set back.
func past(until, now time.Time) bool { return now.After(until) && now.Round(0).After(until) }
