package generate

import (
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func draws() map[string]func(uint64) uint64 {
	return map[string]func(uint64) uint64{"buffered": Uint64n, "unbuffered": UnbufferedUint64n}
}

func TestUint64nIsUniform(t *testing.T) {
	for name, draw := range draws() {
		for _, n := range []uint64{2, 7, 10, 1000} {
			counts := make([]int, n)
			for range 60_000 {
				counts[draw(n)]++
			}
			requireUniform(t, counts, name)
		}
	}
}

// Of 2^64 words four go to every three values below 3·2^62: a multiply-shift that
// does not reject gives multiples of three half of the draws.
func TestUint64nRejectsBiasedWords(t *testing.T) {
	for name, draw := range draws() {
		counts := make([]int, 3)
		for range 30_000 {
			v := draw(3 << 62)
			require.Less(t, v, uint64(3<<62))
			counts[v%3]++
		}
		requireUniform(t, counts, name)
	}
}

func TestUint64nEnds(t *testing.T) {
	for name, draw := range draws() {
		t.Run(name, func(t *testing.T) {
			for range 100 {
				require.Zero(t, draw(1))
			}
			high := 0
			for range 1000 {
				if draw(math.MaxUint64) > math.MaxUint64/2 {
					high++
				}
			}
			require.InDelta(t, 500, high, 110) // seven standard deviations
			require.PanicsWithValue(t, map[string]string{
				"buffered":   "generate: Uint64n of an empty range",
				"unbuffered": "generate: UnbufferedUint64n of an empty range",
			}[name], func() { draw(0) })
		})
	}
}

func TestStockForgetsWhatItGave(t *testing.T) {
	s := stocks.New().(*stock)
	seen := map[uint64]bool{}
	for i := range 3 * stockSize / 8 {
		seen[s.next()] = true
		require.Equal(t, make([]byte, s.used), s.bytes[:s.used], "draw %d left its bytes behind", i)
	}
	require.Len(t, seen, 3*stockSize/8, "a word came twice")
}

func TestUnbufferedDigits(t *testing.T) {
	counts := make([][]int, 4)
	for i := range counts {
		counts[i] = make([]int, 10)
	}
	for range 20_000 {
		d := AppendUnbufferedDigits(nil, 4)
		require.Len(t, d, 4)
		for i, c := range d {
			counts[i][c-'0']++
		}
	}
	for _, c := range counts {
		requireUniform(t, c, "digit")
	}
	for n := 1; n <= 19; n++ {
		d := AppendUnbufferedDigits([]byte("x"), n)
		require.Len(t, d, n+1)
		require.Equal(t, byte('x'), d[0])
		require.True(t, isDigits(d[1:]))
	}
	for _, n := range []int{-1, 0, 20} {
		require.PanicsWithValue(t, "generate: AppendUnbufferedDigits of other than 1 to 19 digits",
			func() { AppendUnbufferedDigits(nil, n) })
	}
}

// Each goroutine's draws differ from every other's; under -race this also shows
// that no stock is in two hands.
func TestConcurrentDraws(t *testing.T) {
	const workers, each = 8, 3000
	all := make([][]string, workers)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			var buf []byte
			for range each {
				buf = AppendRandomWithLuhn(AppendUUID(buf[:0]))
				all[w] = append(all[w], string(buf))
			}
		})
	}
	wg.Wait()
	uuids, words := map[string]bool{}, map[string]bool{}
	for _, texts := range all {
		require.Len(t, texts, each)
		for _, s := range texts {
			uuids[s[:uuidLen]] = true
			// Halves of a UUID that share a word would show in the tail.
			words[s[24:uuidLen]] = true
			require.True(t, IsRandomWithLuhn(s[uuidLen:]))
		}
	}
	require.Len(t, uuids, workers*each)
	// Of so many words of 48 bits two are the same once in a million runs, and four never.
	require.GreaterOrEqual(t, len(words), workers*each-1)
}
