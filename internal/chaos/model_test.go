//go:build linux

package chaos

import (
	"slices"
	"strings"

	"github.com/anishathalye/porcupine"
)

// state is what a vault that does one thing at a time knows of one card.
type state struct {
	token   string // the live one, empty for none, or unseen
	version uint64 // at least: a rotation raises it too
	expiry  int
	gone    set // tokens that were deleted
	keys    set // idempotency keys that are remembered for the live token
}

// unseen is the token that a save made whose answer was lost, until somebody is
// told of it.
const unseen = "?"

// once is an idempotency key that came with one call only: nobody asks whether it
// is remembered.
const once = "once"

// set is a set of words in order, as text, so that states compare with ==.
type set string

func (s set) has(word string) bool { return slices.Contains(strings.Fields(string(s)), word) }

func (s set) with(word string) set {
	if word == "" || word == once || s.has(word) {
		return s
	}
	words := append(strings.Fields(string(s)), word)
	slices.Sort(words)
	return set(strings.Join(words, " "))
}

// model is the vault for porcupine.
func model() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{state{}} },
		Step: func(s, in, _ any) (out []any) {
			for _, next := range s.(state).step(in.(*op)) {
				out = append(out, next)
			}
			return out
		},
	}
	return m.ToModel()
}

// step returns the states in which a call with its answer may leave the vault,
// none if it cannot have been answered so. A call that nobody knows the outcome of
// was carried out or was not.
func (s state) step(o *op) []state {
	switch o.Do {
	case save:
		return s.save(o)
	case update:
		return s.update(o)
	case remove:
		return s.remove(o)
	}
	return s.read(o)
}

func (s state) save(o *op) []state {
	known := s.keys.has(o.Key)
	next := s
	next.keys = s.keys.with(o.Key)
	if o.Expiry != 0 {
		next.expiry = o.Expiry
	}
	if o.Got == unknown {
		switch {
		case known:
			return []state{s}
		case s.token == "":
			next.token = unseen
		}
		next.version++
		return []state{s, next}
	}
	if (o.Got == "replayed") != known || o.Is.Version < s.version {
		return nil
	}
	if o.Got == "created" {
		if s.token != "" || s.gone.has(o.Is.Token) {
			return nil
		}
		next.token = o.Is.Token
		return next.told(o)
	}
	next, ok := next.holding(o.Is.Token)
	if !ok {
		return nil
	}
	switch o.Got {
	case "existing":
		// With a key it is written that it is remembered.
		if next.expiry != s.expiry || o.Key != "" && o.Is.Version == s.version {
			return nil
		}
	case "updated":
		if next.expiry == s.expiry || o.Is.Version == s.version {
			return nil
		}
	case "replayed":
		next.expiry = s.expiry
	default:
		return nil
	}
	return next.told(o)
}

func (s state) update(o *op) []state {
	next, ok := s.holding(o.Token)
	next.expiry = o.Expiry
	switch o.Got {
	case unknown:
		if !ok || o.Expiry == s.expiry {
			return []state{s}
		}
		next.version++
		return []state{s, next}
	case "updated":
		if !ok || o.Expiry == s.expiry || o.Is.Token != o.Token || o.Is.Version <= s.version {
			return nil
		}
		return next.told(o)
	case "existing":
		if o.Expiry != s.expiry {
			return nil
		}
	}
	return s.read(o)
}

func (s state) remove(o *op) []state {
	next, ok := s.holding(o.Token)
	next = state{gone: next.gone.with(o.Token)}
	switch {
	case o.Got == unknown && ok:
		return []state{s, next}
	case o.Got == unknown:
		return []state{s}
	case o.Got == done && ok:
		return []state{next}
	case o.Got == done && s.gone.has(o.Token): // nothing was left to do
		return []state{s}
	}
	return nil
}

// read is a call that changes nothing.
func (s state) read(o *op) []state {
	if o.Got == deleted && s.gone.has(o.Token) {
		return []state{s}
	}
	next, ok := s.holding(o.Token)
	if !ok || o.Got != active && o.Got != "existing" || o.Is.Token != o.Token {
		return nil
	}
	return next.told(o)
}

// holding is the state in which the token is the live one, if that can be.
func (s state) holding(token string) (state, bool) {
	if s.token == unseen && !s.gone.has(token) {
		s.token = token
	}
	return s, token != "" && s.token == token
}

// told takes over what an answer says, unless it contradicts.
func (s state) told(o *op) []state {
	if o.Is.Expiry != s.expiry {
		return nil
	}
	if o.Is.Version != 0 {
		if o.Is.Version < s.version {
			return nil
		}
		s.version = o.Is.Version
	}
	return []state{s}
}
