package memory

import "github.com/cardseal/cardseal/tokenize/store"

// remembered is a call kept for its repetition.
type remembered struct {
	row   uint32
	input [32]byte
	until int64 // Unix milliseconds
}

// minSweep is the fewest remembered calls that a sweep is worth.
const minSweep = 1024

// sweepMargin is how long past its time, in milliseconds, a call stays
// remembered before a sweep may take it: the clock that makes a sweep due may
// be ahead of the clock of the caller who asks again.
const sweepMargin = 24 * 60 * 60 * 1000

// recall returns what is remembered of the call, if its time is not up and its
// token is not a tombstone.
func (s *scope) recall(o *store.Once) (remembered, bool) {
	r, ok := s.once[o.Key]
	if !ok || o.Now >= r.until || s.rows[r.row].status() == store.Deleted {
		return remembered{}, false
	}
	return r, true
}

// forget sweeps remembered calls once there are twice as many as the last sweep
// left, so that its cost stays a constant per call and memory stays bounded.
func (s *scope) forget(now int64) {
	if len(s.once) < s.sweep {
		return
	}
	for key, r := range s.once {
		if now-sweepMargin >= r.until || s.rows[r.row].status() == store.Deleted {
			delete(s.once, key)
		}
	}
	s.sweep = max(minSweep, 2*len(s.once))
}
