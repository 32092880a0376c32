//go:build linux

package keychaos

import (
	"github.com/anishathalye/porcupine"

	"github.com/cardseal/cardseal/keys"
)

// call is a call about a ring and its answer, a line of a history. Keys are named
// by their IDs.
type call struct {
	Ring   int      `json:"ring"`
	Do     string   `json:"do"`
	Key    string   `json:"key,omitempty"` // retire: asked about
	Call   int64    `json:"call"`          // nanoseconds of CLOCK_MONOTONIC
	Return int64    `json:"return"`
	Got    string   `json:"got,omitempty"`  // empty: nobody knows
	Is     string   `json:"is,omitempty"`   // the active key, by the answer; empty for none
	Made   []string `json:"made,omitempty"` // keys it may have made active: the store was asked to
	Keys   []string `json:"keys,omitempty"` // list: all of the ring

	id keys.KeyID // Key or Is
}

// What is done.
const (
	rotate = "rotate"
	active = "active"
	retire = "retire"
	rewrap = "rewrap"
	list   = "list"
)

// What comes of it.
const (
	unknown = ""
	done    = "done"
	busy    = "busy" // an error which says that nothing was done
)

// step is a call as the model sees it: with what is known of it in the end.
type step struct {
	*call
	is    int  // key answered or asked about, as a number; 0 for none
	made  bool // by this call, and
	more  bool // nobody was told
	keys  keySet
	maybe bool // nobody knows whether it was done
}

// keySet is a set of numbers from 1, a bit each, as text, so that states compare
// with ==.
type keySet string

func (s keySet) has(n int) bool { return n/8 < len(s) && s[n/8]>>(n%8)&1 == 1 }

func (s keySet) with(n int) keySet {
	b := []byte(s)
	for len(b) <= n/8 {
		b = append(b, 0)
	}
	b[n/8] |= 1 << (n % 8)
	return keySet(b)
}

// ringState is what a ring that does one thing at a time knows.
type ringState struct {
	active int    // 0 for none
	keys   keySet // that were ever active
}

// model is the ring for porcupine.
func model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{ringState{}} },
		Step: func(s, in, _ any) []any {
			now, do := s.(ringState), in.(*step)
			next, ok := now.after(do)
			switch {
			case !ok:
				return nil
			case do.maybe && next != now:
				return []any{now, next}
			}
			return []any{next}
		},
	}
	return m.ToModel()
}

// after is the state in which a call with its answer leaves the ring, unless it
// cannot have been answered so.
func (s ringState) after(do *step) (ringState, bool) {
	switch {
	case do.made:
		// Asking for the active key makes one only where there is none; a rotation
		// replaces it. No key is made twice, or active again.
		ok := !s.keys.has(do.is) && (do.Do == rotate || s.active == 0)
		return ringState{do.is, s.keys.with(do.is)}, ok
	case do.Do == retire:
		if s.active == do.is {
			s.active = 0
		}
		return s, s.keys.has(do.is)
	case do.Do == list:
		return s, s.active == do.is && s.keys == do.keys
	}
	// Another call's key was answered. What a rotation is told is active then, too.
	return s, s.active == do.is && do.is != 0
}
