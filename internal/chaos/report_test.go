//go:build linux

package chaos

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
)

// report logs a run's figures, and fails one that did not come near what it is to
// try.
func (p *plan) report(t *testing.T, all []op, took time.Duration) {
	t.Helper()
	done, lost, refused := map[string]int{}, 0, 0
	var turns []op
	for _, o := range all {
		switch {
		case o.Do == rotate:
			turns = append(turns, o)
		case o.Got == unknown:
			lost++
		case o.Got == busy:
			refused++
		default:
			done[o.Do]++
		}
	}
	require.Equal(t, p.Saves, done[save], "saves that were answered")
	for _, do := range []string{get, reveal, update, remove} {
		require.NotZero(t, done[do], do)
	}
	t.Logf("seed %d: %d saves in %v, %.0f a second; calls: %v", p.Seed, p.Saves, took.Round(time.Millisecond),
		float64(p.Saves)/took.Seconds(), done)
	t.Logf("%d outcomes were unknown, %d calls were told that nothing was done", lost, refused)

	met := meetings(all)
	t.Logf("%d saves came while another one of their card was under way", met)
	if p.Management == tokenize.UniqueCard {
		require.Greater(t, met, p.Saves/8, "saves do not collide")
	}
	require.Len(t, turns, 2, "the rotation, and who helped")
	for _, turn := range turns {
		n := 0
		for _, o := range all {
			if o.Do == save && o.Got != unknown && o.Got != busy && o.Call > turn.Call && o.Return < turn.Return {
				n++
			}
		}
		t.Logf("a call to rotate took %v, with %d saves meanwhile", time.Duration(turn.Return-turn.Call).Round(time.Millisecond), n)
	}
}

// meetings counts saves that came while another one of their card was under way.
func meetings(all []op) (n int) {
	saves := slices.DeleteFunc(slices.Clone(all), func(o op) bool { return o.Do != save || o.Got == busy })
	slices.SortFunc(saves, func(a, b op) int { return cmp.Compare(a.Call, b.Call) })
	until := map[int]int64{} // when the last one of a card returns
	for _, o := range saves {
		if o.Call < until[o.Card] {
			n++
		}
		until[o.Card] = max(until[o.Card], o.Return)
	}
	return n
}
