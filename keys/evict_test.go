package keys_test

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// rotated seals one record under each of n data keys.
func rotated(t testing.TB, w *world, n int) [][]byte {
	m := w.manager(t, nil)
	all := make([][]byte, n)
	for i := range all {
		all[i] = seal(t, pan(t, m))
		_, err := m.Rotate(t.Context(), keys.PAN)
		require.NoError(t, err)
	}
	return all
}

func TestCacheKeysBoundsMemory(t *testing.T) {
	stored, inline := newWorld(), inlineWorld()
	for mode, all := range map[*world][][]byte{stored: rotated(t, stored, 50), inline: foreign(t, inline, 50)} {
		m := mode.manager(t, &keys.Options{CacheKeys: 8, InlineUnwraps: 60000})
		s := pan(t, m)
		seal(t, s)
		for range 2 {
			before := mode.kek.Unwraps()
			for _, r := range all {
				opens(t, s, r)
				require.LessOrEqual(t, keys.HeldKeys(m, keys.PAN), 8)
				require.True(t, keys.HeldKey(m, keys.PAN, keyOf(t, r)))
			}
			require.Equal(t, 50, mode.kek.Unwraps()-before, "evicted ones come back with one call each")
		}
		unwraps, held := mode.kek.Unwraps(), all[50-7:] // and the one sealed under
		for range 10 {
			for _, r := range held {
				opens(t, s, r)
			}
		}
		require.Equal(t, unwraps, mode.kek.Unwraps())
	}
}

// Records to open, however many, must not cost a process its key for sealing.
func TestSealingKeyStaysInMemory(t *testing.T) {
	stored, inline := newWorld(), inlineWorld()
	for mode, all := range map[*world][][]byte{stored: rotated(t, stored, 20), inline: foreign(t, inline, 20)} {
		for _, size := range []int{2, 4} {
			m := mode.manager(t, &keys.Options{CacheKeys: size, InlineUnwraps: 60000})
			s := pan(t, m)
			first := seal(t, s)
			wraps := mode.kek.Wraps()
			for _, r := range all {
				opens(t, s, r)
				require.Equal(t, saltOf(t, first), saltOf(t, seal(t, s)))
			}
			require.Equal(t, wraps, mode.kek.Wraps())
			require.LessOrEqual(t, keys.HeldKeys(m, keys.PAN), size)
		}
	}
}

// With room for one key opening and sealing push each other out, and both work.
func TestRoomForOneKey(t *testing.T) {
	w := newWorld()
	all := rotated(t, w, 5)
	m := w.manager(t, &keys.Options{CacheKeys: 1})
	s := pan(t, m)
	for _, r := range all {
		opens(t, s, seal(t, s))
		opens(t, s, r)
		require.Equal(t, 1, keys.HeldKeys(m, keys.PAN))
	}
}

// An evicted data key takes its derived keys with it.
func TestEvictedKeyLeavesNothing(t *testing.T) {
	w := newWorld()
	all := rotated(t, w, 3)
	m := w.manager(t, &keys.Options{CacheKeys: 2})
	s := pan(t, m)
	for range 3 {
		opens(t, s, all[0])
	}
	require.True(t, keys.CachedSealingKey(m, keys.PAN, "shop", all[0]))
	peek := keys.Peek(m, keys.PAN, keyOf(t, all[0]))
	opens(t, s, all[1])
	opens(t, s, all[2])
	require.False(t, keys.HeldKey(m, keys.PAN, keyOf(t, all[0])))
	require.False(t, keys.CachedSealingKey(m, keys.PAN, "shop", all[0]))
	raw, scopes := peek()
	require.Empty(t, raw)
	require.Zero(t, scopes)

	w.kek.SetError(keys.ErrDenied)
	refuses(t, s, all[0], additional(), keys.ErrDenied)
	w.kek.SetError(nil)
	opens(t, s, all[0])
}

// Whoever evicts a key may come to a stop in the middle. Seals take no lock, so that
// the key has to be out of their sight before its bytes are gone: they would find it
// without them at each of their tries, and fail.
func TestEvictedKeyIsOutOfSightFirst(t *testing.T) {
	m := newWorld().manager(t, nil)
	id := keyOf(t, seal(t, pan(t, m)))
	letGo := keys.InUse(m, keys.PAN, id)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer letGo()
	wg.Go(func() { keys.Evict(m, keys.PAN, id) })
	gone := func() bool { return !keys.Leased(m, keys.PAN) }
	require.Eventually(t, gone, time.Minute, time.Millisecond)
}

// A record that is being opened while its data key is evicted must not put the
// sealing key back: afterwards the cache has it only if the data key is held.
func TestOpenDuringEviction(t *testing.T) {
	rounds := 1500
	if testing.Short() {
		rounds = 500
	}
	for mode, w := range worlds() {
		t.Run(mode, func(t *testing.T) {
			record := seal(t, pan(t, w.manager(t, nil)))
			id := keyOf(t, record)
			m := w.manager(t, &keys.Options{InlineUnwraps: 60000})
			s := pan(t, m)
			other := pan(t, w.manager(t, nil))
			beside := seal(t, other)
			both, neither := 0, 0
			for round := range rounds {
				opens(t, s, record) // once more and it is kept
				var wg sync.WaitGroup
				var begun atomic.Bool
				wg.Go(func() {
					begun.Store(true)
					_, err := s.Open(t.Context(), nil, record, additional())
					assert.NoError(t, err)
				})
				for !begun.Load() {
					runtime.Gosched()
				}
				for range round % 64 { // to meet the open at all its stages
					opens(t, other, beside)
				}
				keys.Evict(m, keys.PAN, id)
				wg.Wait()
				held := keys.HeldKey(m, keys.PAN, id)
				if keys.CachedSealingKey(m, keys.PAN, "shop", record) {
					require.True(t, held, "a sealing key outlived its data key")
				}
				if held {
					both++
				} else {
					neither++
				}
			}
			t.Logf("%d evictions came before the open, %d after", both, neither)
		})
	}
}
