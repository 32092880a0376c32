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

// In a card store a message is remembered to its end, and scopes apart.
func TestStoredReplaysEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cards := memory.New().Cards()
		s := capture.StoredReplays(cards, store.ScopeID{1})
		r := capture.Replay{Until: time.Now().Add(time.Minute)}
		require.NoError(t, s.Insert(t.Context(), r))
		require.NoError(t, capture.StoredReplays(cards, store.ScopeID{2}).Insert(t.Context(), r))
		time.Sleep(time.Minute)
		require.Equal(t, capture.ErrReplayed, s.Insert(t.Context(), r))
		time.Sleep(time.Millisecond)
		require.NoError(t, s.Insert(t.Context(), r))
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
		require.NoError(t, insert(1, time.Minute))
		require.NoError(t, insert(2, time.Hour))
		require.NoError(t, insert(3, time.Minute))
		require.Equal(t, capture.ErrReplaysFull, insert(4, time.Minute))
		require.Equal(t, capture.ErrReplayed, insert(1, time.Minute))
		time.Sleep(time.Minute)
		require.Equal(t, capture.ErrReplayed, insert(1, time.Minute), "at its end")
		time.Sleep(time.Nanosecond)
		require.NoError(t, insert(1, time.Minute), "past its end")
		require.Equal(t, capture.ErrReplayed, insert(1, time.Minute))
		require.Equal(t, capture.ErrReplayed, insert(2, time.Minute))
		require.Equal(t, capture.ErrReplaysFull, insert(4, time.Minute), "3 is behind 2, which lives")
		time.Sleep(time.Hour)
		for i := range byte(3) {
			require.NoError(t, insert(10+i, time.Minute))
		}
		// Behind one that lives, a digest ends and comes again: its first end is not its
		// second's.
		time.Sleep(time.Hour)
		require.NoError(t, insert(2, time.Hour))
		require.NoError(t, insert(1, time.Minute))
		time.Sleep(time.Minute + 1)
		require.NoError(t, insert(1, 2*time.Hour))
		time.Sleep(time.Hour)
		require.Equal(t, capture.ErrReplayed, insert(1, time.Hour))
		require.NoError(t, insert(3, time.Hour))
		require.NoError(t, insert(4, time.Hour), "what is past makes room")
	})
}
