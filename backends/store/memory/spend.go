package memory

import (
	"context"

	"github.com/cardseal/cardseal/tokenize/store"
)

// spentMargin is how long past its time, in milliseconds, a message stays
// remembered before a sweep may take it; as sweepMargin, but messages come from
// clocks that are known to be about right.
const spentMargin = 60 * 60 * 1000

// isSpent reports whether a message was spent and its time is not up.
func (s *scope) isSpent(m *store.Spend) bool {
	until, ok := s.spent[m.Digest]
	return ok && m.Now < until
}

// forgetSpent sweeps spent messages as forget does calls.
func (s *scope) forgetSpent(now int64) {
	if len(s.spent) < s.sweepSpent {
		return
	}
	for digest, until := range s.spent {
		if now-spentMargin >= until {
			delete(s.spent, digest)
		}
	}
	s.sweepSpent = max(minSweep, 2*len(s.spent))
}

// Spend spends the messages under the scope's lock.
func (c cards) Spend(ctx context.Context, id store.ScopeID, messages []store.Spend) ([]bool, error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	s := c.db.scope(id, true)
	s.mu.Lock()
	defer s.mu.Unlock()
	before := make([]bool, len(messages))
	for i := range messages {
		m := &messages[i]
		if before[i] = s.isSpent(m); !before[i] {
			s.spent[m.Digest] = m.Until
			s.forgetSpent(m.Now)
		}
	}
	return before, nil
}
