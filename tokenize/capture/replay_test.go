package capture_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/capture/capturetest"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestMemory(t *testing.T) {
	capturetest.RunKeys(t, func(*testing.T) capture.KeyStore { return new(capture.MemoryKeys) })
	capturetest.RunReplays(t, func(*testing.T) capture.ReplayStore { return capture.NewMemoryReplays(0) })
	capturetest.RunReplays(t, func(*testing.T) capture.ReplayStore {
		return capture.StoredReplays(memory.New().Cards(), store.ScopeID{1})
	})
}

// opened is the replay of a message that is opened now.
func opened(digest byte) capture.Replay {
	r := capture.Replay{Until: time.Now().Add(capture.ReplayLife)}
	r.Digest[0] = digest
	return r
}

// In a card store a message is remembered to its end, and scopes apart.
func TestStoredReplaysEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cards := memory.New().Cards()
		s := capture.StoredReplays(cards, store.ScopeID{1})
		require.NoError(t, s.Insert(t.Context(), opened(1)))
		require.NoError(t, capture.StoredReplays(cards, store.ScopeID{2}).Insert(t.Context(), opened(1)))
		time.Sleep(capture.ReplayLife)
		require.Equal(t, capture.ErrReplayed, s.Insert(t.Context(), opened(1)))
		time.Sleep(time.Millisecond)
		require.NoError(t, s.Insert(t.Context(), opened(1)))
	})
}

// A message that is opened at its last moment is not taken twice by whoever is slow to
// insert it, at the earliest moment of the first.
func TestReplaysLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, s := range []capture.ReplayStore{
			capture.NewMemoryReplays(0), capture.StoredReplays(memory.New().Cards(), store.ScopeID{1}),
		} {
			require.NoError(t, s.Insert(t.Context(), opened(1)))
			time.Sleep(capture.Skew + capture.MaxAge)
			slow := opened(1)
			time.Sleep(capture.Skew)
			require.Equal(t, capture.ErrReplayed, s.Insert(t.Context(), slow))
			time.Sleep(time.Nanosecond)
			require.Equal(t, capture.ErrStale, s.Insert(t.Context(), slow))
		}
	})
}

// What is past is forgotten and makes room; what is not is never forgotten.
func TestMemoryReplaysIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := capture.NewMemoryReplays(3)
		insert := func(digest byte, life time.Duration) error {
			r := capture.Replay{Until: time.Now().Add(life)}
			r.Digest[0] = digest
			return s.Insert(t.Context(), r)
		}
		require.NoError(t, insert(1, capture.ReplayLife))
		require.NoError(t, insert(2, time.Hour))
		require.NoError(t, insert(3, capture.ReplayLife))
		require.Equal(t, capture.ErrReplaysFull, insert(4, capture.ReplayLife))
		require.Equal(t, capture.ErrReplayed, insert(1, capture.ReplayLife))
		time.Sleep(capture.ReplayLife)
		require.Equal(t, capture.ErrReplayed, insert(1, capture.ReplayLife), "at its end")
		time.Sleep(time.Nanosecond)
		require.NoError(t, insert(1, capture.ReplayLife), "past its end")
		require.Equal(t, capture.ErrReplayed, insert(1, capture.ReplayLife))
		require.Equal(t, capture.ErrReplayed, insert(2, capture.ReplayLife))
		require.Equal(t, capture.ErrReplaysFull, insert(4, capture.ReplayLife), "3 is behind 2, which lives")
		time.Sleep(time.Hour)
		for i := range byte(3) {
			require.NoError(t, insert(10+i, capture.ReplayLife))
		}
		// Behind one that lives, a digest ends and comes again: its first end is not its
		// second's.
		time.Sleep(time.Hour)
		require.NoError(t, insert(2, time.Hour))
		require.NoError(t, insert(1, capture.ReplayLife))
		time.Sleep(capture.ReplayLife + 1)
		require.NoError(t, insert(1, 2*time.Hour))
		time.Sleep(time.Hour)
		require.Equal(t, capture.ErrReplayed, insert(1, time.Hour))
		require.NoError(t, insert(3, time.Hour))
		require.NoError(t, insert(4, time.Hour), "what is past makes room")
	})
}
