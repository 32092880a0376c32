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
	next := uint64(0) // the first token that has not been accounted for
	gap := func(end uint64) {
		if end <= next { // neighbours, or a repeat
			return
		}
		width := end - next
		free += width
		if u := Uint64n(free); u < width {
			choice = next + u
		}
	}

	previous := uint64(0)
	for text, err := range taken {
		if err != nil {
			return 0, fmt.Errorf("generate: reading the tokens in use: %w", err)
		}
		m, ok := parseFixed(text, s.MiddleLen())
		if !ok || m < previous {
			return 0, ErrDisorder
		}
		previous = m
		if k, ok := s.rank(m); ok {
			gap(k)
			next = k + 1
		}
	}
	gap(s.Size())
	if free == 0 {
		return 0, ErrExhausted
	}
	return choice, nil
}
