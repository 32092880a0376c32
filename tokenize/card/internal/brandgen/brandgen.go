// Package brandgen turns the table of card networks (data/brands.json, data/overlay.json)
// into the Go source of package card's look-up. It runs under go generate and in a test
// that compares its output with the committed file, never in a program that embeds the
// library.
package brandgen

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// prefixes is a pair of prefixes of one length, both ends included.
type prefixes [2]string

type brandFile struct {
	Brands []struct {
		ID, Name     string
		PrefixRanges []prefixes
		Lengths      []int
		CVCLengths   []int
		Luhn         string
	}
	CoBadges []struct {
		ID         string
		PureRanges []prefixes
	}
}

type overlayFile struct {
	Networks map[string]struct{ Brand, Local string }
	CoBadges map[string]struct {
		Local  string
		Ranges []prefixes
	}
	Lengths []struct {
		Network string
		Ranges  []prefixes
		Only    []int // lengths that the network uses in these ranges and nowhere else
	}
}

// span is a prefix range widened to eight digits, from the first number to the one past
// the last.
type span struct {
	from, to int
	digits   int // length of the prefix: the longest one wins
}

const width, all = 8, 100_000_000

func (p prefixes) span() (span, error) {
	n := len(p[0])
	if n == 0 || n > width || len(p[1]) != n {
		return span{}, fmt.Errorf("prefix range %q: lengths differ or are not 1 to %d", p, width)
	}
	lo, err1 := strconv.ParseUint(p[0]+strings.Repeat("0", width-n), 10, 32)
	hi, err2 := strconv.ParseUint(p[1]+strings.Repeat("9", width-n), 10, 32)
	if err1 != nil || err2 != nil || lo > hi {
		return span{}, fmt.Errorf("prefix range %q: not digits in order", p)
	}
	return span{int(lo), int(hi) + 1, n}, nil
}

func (s span) has(v int) bool { return s.from <= v && v < s.to }

func spans(ps []prefixes) ([]span, error) {
	var out []span
	for _, p := range ps {
		s, err := p.span()
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// Generate returns the source of network_table.go.
func Generate(brands, overlay []byte) ([]byte, error) {
	var b brandFile
	if err := json.Unmarshal(brands, &b); err != nil {
		return nil, err
	}
	var o overlayFile
	if err := json.Unmarshal(overlay, &o); err != nil {
		return nil, err
	}
	t, err := build(&b, &o)
	if err != nil {
		return nil, err
	}
	return t.source()
}

func anyHas(ss []span, v int) bool {
	return slices.ContainsFunc(ss, func(s span) bool { return s.has(v) })
}
