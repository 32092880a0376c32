package generate

import (
	"fmt"
	"iter"
)

// DrawFree returns the number of a random token that taken does not name, each
// free one equally likely, or [ErrExhausted] if there is none.
//
// taken yields the middles in use, ascending, each of [Space64.MiddleLen] digits;
// repeats and middles that pass Luhn are passed over. [Space64.Middles] makes such
// a sequence of the ordered column. It is read once, to its end, and nothing of it
// is kept: each gap between two middles replaces the choice so far with the gap's
// share of all that has been found free, which in the end is fair to every token
// (reservoir sampling, with gaps for items and their widths for weights).
//
// An error that taken yields ends the reading and is returned, wrapped; a sequence
// that does not ascend, or holds anything but middles, is [ErrDisorder]. The token
// may be taken by another by the time it is inserted: the store decides.
func (s Space64) DrawFree(taken iter.Seq2[string, error]) (uint64, error) {
	var choice, free uint64
	err := s.gaps(taken, func(from, end uint64) {
		width := end - from
		free += width
		if u := Uint64n(free); u < width {
			choice = from + u
		}
	})
	if err != nil {
		return 0, err
	}
	if free == 0 {
		return 0, ErrExhausted
	}
	return choice, nil
}

// SampleFree returns the numbers of up to n random tokens that taken does not name,
// in random order, each selection and order equally likely; fewer, if there are fewer,
// and none is no error. taken is as in [Space64.DrawFree]. It takes time for each free
// token, so it is for a space that is known to be crowded: one reading serves n draws,
// as long as each is asked for at the store again before it is used.
func (s Space64) SampleFree(n int, taken iter.Seq2[string, error]) ([]uint64, error) {
	var sample []uint64
	free := uint64(0)
	err := s.gaps(taken, func(from, end uint64) {
		for k := from; k < end; k++ {
			free++
			if len(sample) < n {
				sample = append(sample, k)
			} else if u := Uint64n(free); u < uint64(n) {
				sample[u] = k
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for i := len(sample) - 1; i > 0; i-- {
		j := Uint64n(uint64(i + 1))
		sample[i], sample[j] = sample[j], sample[i]
	}
	return sample, nil
}

// CountTaken counts the tokens of the space that taken names; taken is as in
// [Space64.DrawFree].
func (s Space64) CountTaken(taken iter.Seq2[string, error]) (uint64, error) {
	free := uint64(0)
	err := s.gaps(taken, func(from, end uint64) { free += end - from })
	if err != nil {
		return 0, err
	}
	return s.Size() - free, nil
}

// gaps reads the tokens in use and calls gap for each run of free ones, ascending,
// none of them empty.
func (s Space64) gaps(taken iter.Seq2[string, error], gap func(from, end uint64)) error {
	next := uint64(0) // the first token that has not been accounted for
	previous := uint64(0)
	for text, err := range taken {
		if err != nil {
			return fmt.Errorf("generate: reading the tokens in use: %w", err)
		}
		m, ok := parseFixed(text, s.MiddleLen())
		if !ok || m < previous {
			return ErrDisorder
		}
		previous = m
		if k, ok := s.rank(m); ok {
			if k > next { // else a neighbour, or a repeat
				gap(next, k)
			}
			next = k + 1
		}
	}
	if next < s.Size() {
		gap(next, s.Size())
	}
	return nil
}
