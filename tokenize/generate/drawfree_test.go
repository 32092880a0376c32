package generate

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// allBut yields every middle of s, Luhn-valid ones included, but those of free.
func allBut(s Space64, free ...uint64) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for m := range s.Size() / 9 * 10 {
			text := fmt.Sprintf("%0*d", s.MiddleLen(), m)
			if k, ok := s.Rank(text); ok && slices.Contains(free, k) {
				continue
			}
			if !yield(text, nil) {
				return
			}
		}
	}
}

// Free tokens at both ends, alone, side by side and in wide gaps are all equally
// likely, and no other is drawn.
func TestDrawFreeIsUniform(t *testing.T) {
	s := space(t, pan14)
	free := []uint64{0, 1, 2, 500, 502, 503, 4000, 4001, 4002, 4003, 4004, 4005, 8990, 8999}
	var taken []string
	for k := range s.Size() {
		if !slices.Contains(free, k) {
			taken = append(taken, s.Middle(k))
		}
	}
	counts := make([]int, len(free))
	for range 60 * len(free) {
		k, err := s.DrawFree(yieldAll(nil, taken...))
		require.NoError(t, err)
		i := slices.Index(free, k)
		require.GreaterOrEqual(t, i, 0, "drew a token that is taken")
		counts[i]++
	}
	requireUniform(t, counts, "free token")
}

func TestDrawFreeOfAnEmptyStore(t *testing.T) {
	s := space(t, pan14)
	counts := make([]int, 90)
	for range 9000 {
		k, err := s.DrawFree(yieldAll(nil))
		require.NoError(t, err)
		counts[k/100]++
	}
	requireUniform(t, counts, "hundred")
}

// Two taken tokens cut a space in three; chance follows the widths.
func TestDrawFreeWeighsGaps(t *testing.T) {
	s := space(t, pan14)
	counts := make([]int, 10)
	for range 6000 {
		k, err := s.DrawFree(yieldAll(nil, s.Middle(899), s.Middle(4499)))
		require.NoError(t, err)
		require.NotContains(t, []uint64{899, 4499}, k)
		counts[k/900]++
	}
	requireUniform(t, counts, "tenth")
}

func TestDrawFreeLastOne(t *testing.T) {
	s := space(t, pan14)
	for _, last := range []uint64{0, 1, 4444, 8998, 8999} {
		k, err := s.DrawFree(allBut(s, last))
		require.NoError(t, err)
		require.Equal(t, last, k)
	}
	_, err := s.DrawFree(allBut(s))
	require.ErrorIs(t, err, ErrExhausted)
}

func TestDrawFreePassesOver(t *testing.T) {
	s := space(t, pan14)
	// Repeats, and the card's own middle, which Luhn keeps out of the space.
	var taken []string
	for m := range 10_000 {
		text := fmt.Sprintf("%04d", m)
		if k, ok := s.Rank(text); !ok || k != 77 {
			taken = append(taken, text, text)
		}
	}
	k, err := s.DrawFree(yieldAll(nil, taken...))
	require.NoError(t, err)
	require.EqualValues(t, 77, k)
}

func TestDrawFreeErrors(t *testing.T) {
	s := space(t, pan14)
	broken := errors.New("the store broke")
	for range 50 { // a draw must not decide whether the error shows
		k, err := s.DrawFree(yieldAll(broken, s.Middle(5)))
		require.ErrorIs(t, err, broken)
		require.Zero(t, k)
	}
	for _, bad := range [][]string{
		{"0005", "0004"},
		{"9999", "0000"},
		{"005"},
		{"00005"},
		{""},
		{"0x05"},
		{"0001", pan14},
	} {
		_, err := s.DrawFree(yieldAll(nil, bad...))
		require.ErrorIs(t, err, ErrDisorder)
	}
	// Reading stops at the fault.
	read := 0
	_, err := s.DrawFree(func(yield func(string, error) bool) {
		for _, m := range []string{"0009", "0003", "0004"} {
			read++
			if !yield(m, nil) {
				return
			}
		}
	})
	require.ErrorIs(t, err, ErrDisorder)
	require.Equal(t, 2, read)
}

// Many at once: distinct, free, and each in each place equally likely.
func TestSampleFreeIsUniform(t *testing.T) {
	s := space(t, pan14)
	free := []uint64{0, 1, 2, 500, 502, 503, 4000, 4001, 8990, 8999}
	taken := slices.Collect(func(yield func(string) bool) {
		for text := range allBut(s, free...) {
			if !yield(text) {
				return
			}
		}
	})
	const n = 4
	counts := make([]int, n*len(free))
	for range 200 {
		got, err := s.SampleFree(n, yieldAll(nil, taken...))
		require.NoError(t, err)
		require.Len(t, got, n)
		for place, k := range got {
			i := slices.Index(free, k)
			require.GreaterOrEqual(t, i, 0, "a token that is taken")
			require.NotContains(t, got[:place], k, "one twice")
			counts[place*len(free)+i]++
		}
	}
	requireUniform(t, counts, "token and place")

	all, err := s.SampleFree(100, yieldAll(nil, taken...))
	require.NoError(t, err)
	require.ElementsMatch(t, free, all)
	none, err := s.SampleFree(n, allBut(s))
	require.NoError(t, err)
	require.Empty(t, none)
	count, err := s.CountTaken(yieldAll(nil, taken...))
	require.NoError(t, err)
	require.EqualValues(t, 9000-len(free), count)

	stop := errors.New("stop")
	for _, seq := range []iter.Seq2[string, error]{yieldAll(stop, taken[0]), yieldAll(nil, "9", "x")} {
		got, err := s.SampleFree(n, seq)
		require.Nil(t, got)
		require.Error(t, err)
		_, err = s.CountTaken(seq)
		require.Error(t, err)
	}
}
