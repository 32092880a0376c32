//go:build linux

package keychaos

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// about is a call that was answered: what is done, the key asked about or answered
// with, and the keys it asked the store to make active.
func about(from, to int64, do, key, made string) *call {
	c := &call{Do: do, Call: from, Return: to, Got: done, Is: key, Made: strings.Fields(made)}
	if do == retire {
		c.Key, c.Is = key, ""
	}
	return c
}

func listed(from, to int64, is, all string) *call {
	c := about(from, to, list, is, "")
	c.Keys = strings.Fields(all)
	return c
}

func answered(got string, c *call) *call {
	c.Got, c.Is = got, ""
	return c
}

// A check that accepts whatever it is shown proves nothing: these are histories
// that it must take, each beside some that it must not.
func TestModel(t *testing.T) {
	const illegal, twice, known = "not linearizable", "twice", "not rotated"
	for name, c := range map[string]struct {
		calls []*call
		want  string
	}{
		"the first key, for two": {[]*call{about(1, 5, active, "a", "a"), about(2, 6, active, "a", "b"), listed(7, 8, "a", "a")}, ""},
		"two first keys":         {[]*call{about(1, 5, active, "a", "a"), about(2, 6, active, "b", "b"), listed(7, 8, "b", "a b")}, illegal},
		"rotated":                {[]*call{about(1, 2, active, "a", "a"), about(3, 4, rotate, "b", "b"), listed(5, 6, "b", "a b")}, ""},
		"rotated, and the former is active": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 4, rotate, "b", "b"), about(5, 6, active, "a", ""), listed(7, 8, "b", "a b")}, illegal},
		"read while it is rotated": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 9, rotate, "b", "b"), about(4, 6, active, "b", ""), listed(10, 11, "b", "a b")}, ""},
		"read while it is rotated, new before old": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 9, rotate, "b", "b"), about(4, 5, active, "b", ""), about(6, 7, active, "a", ""), listed(10, 11, "b", "a b")}, illegal},
		"two rotate one key": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 9, rotate, "b", "b"), about(4, 9, rotate, "b", "c"), listed(10, 11, "b", "a b")}, ""},
		"one rotates twice": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 9, rotate, "c", "b c"), listed(10, 11, "c", "a b c")}, twice},
		"one rotates and says that it did not": {
			[]*call{about(1, 2, active, "a", "a"), answered(busy, about(3, 9, rotate, "b", "b")), listed(10, 11, "b", "a b")}, twice},
		"rotated to a key that was known": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 4, rotate, "a", ""), listed(5, 6, "a", "a")}, known},
		"retired, and a new one made": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 4, retire, "a", ""), listed(5, 6, "", "a"), about(7, 8, active, "b", "b"), listed(9, 10, "b", "a b")}, ""},
		"retired, and active again": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 4, retire, "a", ""), about(5, 6, active, "a", ""), listed(7, 8, "a", "a")}, illegal},
		"replaced by who only asked": {
			[]*call{about(1, 2, active, "a", "a"), about(3, 4, active, "b", "b"), listed(5, 6, "b", "a b")}, illegal},
		"retired by a call whose answer was lost": {
			[]*call{about(1, 2, active, "a", "a"), answered(unknown, about(3, 4, retire, "a", "")), listed(5, 6, "", "a")}, ""},
		"not retired by it": {
			[]*call{about(1, 2, active, "a", "a"), answered(unknown, about(3, 4, retire, "a", "")), listed(5, 6, "a", "a")}, ""},
		"retired by nobody": {[]*call{about(1, 2, active, "a", "a"), listed(5, 6, "", "a")}, illegal},
		"rotated late by a call whose answer was lost": {
			[]*call{about(1, 2, active, "a", "a"), answered(unknown, about(3, 4, rotate, "", "b")), listed(5, 6, "a", "a"), listed(7, 8, "b", "a b")}, ""},
		"not rotated by it": {
			[]*call{about(1, 2, active, "a", "a"), answered(unknown, about(3, 4, rotate, "", "b")), listed(7, 8, "a", "a")}, ""},
		"a key that nobody made": {[]*call{about(1, 2, active, "a", "a"), listed(7, 8, "b", "a b")}, illegal},
		"a key that is gone":     {[]*call{about(1, 2, active, "a", "a"), about(3, 4, rotate, "b", "b"), listed(7, 8, "b", "b")}, illegal},
	} {
		t.Run(name, func(t *testing.T) {
			got := wrong(stepsOf(c.calls))
			if c.want == "" {
				require.Empty(t, got)
			}
			require.Contains(t, got, c.want)
		})
	}
}
