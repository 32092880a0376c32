package postgres

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/tokenize/store"
)

// messageName names a message that is good for one write.
type messageName struct {
	scope  store.ScopeID
	digest [32]byte
}

func (n *messageName) compare(m *messageName) int {
	a, b := place{n.scope, store.IndexValue{Value: n.digest}}, place{m.scope, store.IndexValue{Value: m.digest}}
	return a.compare(&b)
}

// message is a spent one. There tells one that is stored, maybe out of date, from one
// that this call adds.
type message struct {
	until          int64
	there, changed bool
}

func messageOf(w *store.Write) messageName { return messageName{w.Row.Scope, w.Spend.Digest} }

// isSpent reports whether the write's message was spent and its time is not up.
func (s *stage) isSpent(w *store.Write) bool {
	known, ok := s.spent[messageOf(w)]
	return ok && w.Spend.Now < known.until
}

// spend stages the write's message.
func (s *stage) spend(w *store.Write) {
	if s.spent == nil {
		s.spent = map[messageName]message{}
	}
	n := messageOf(w)
	s.spent[n] = message{until: w.Spend.Until, there: s.spent[n].there, changed: true}
}

// queueLockSpent locks and reads those of the writes' messages that were spent.
func (s *stage) queueLockSpent(b *batch) {
	var scopes, digests [][]byte
	for i := range s.writes {
		if w := &s.writes[i]; w.Spend != nil {
			scopes, digests = append(scopes, w.Row.Scope[:]), append(digests, w.Spend.Digest[:])
		}
	}
	if len(digests) == 0 {
		return
	}
	s.spent = make(map[messageName]message, len(digests))
	b.rows(func(rows pgx.Rows) error {
		var scope, digest []byte
		m := message{there: true}
		if err := rows.Scan(&scope, &digest, &m.until); err != nil {
			return scanFailed(err)
		}
		s.spent[messageName{store.ScopeID(scope), [32]byte(digest)}] = m // what we asked for
		return nil
	}, s.sql.lockSpent, scopes, digests)
}

// sortedSpent names the messages that are spent by this call.
func (s *stage) sortedSpent() (names []messageName) {
	for n, m := range s.spent {
		if m.changed {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(x, y messageName) int { return x.compare(&y) })
	return names
}

// queueSpent stores the spent messages. One that another transaction spent since this
// one looked is a race lost.
func (s *stage) queueSpent(b *batch) {
	for part := range slices.Chunk(s.sortedSpent(), chunk) {
		var lists [2]struct {
			scope, digest [][]byte
			until         []int64
		}
		for i := range part {
			m, l := s.spent[part[i]], &lists[0]
			if m.there {
				l = &lists[1]
			}
			l.scope, l.digest = append(l.scope, part[i].scope[:]), append(l.digest, part[i].digest[:])
			l.until = append(l.until, m.until)
		}
		for i, sql := range []string{s.sql.insertSpent, s.sql.putSpent} {
			if l := &lists[i]; len(l.digest) > 0 {
				b.count(len(l.digest), sql, l.scope, l.digest, l.until)
			}
		}
	}
}

// Spend spends the messages in one transaction.
func (c cards) Spend(ctx context.Context, scope store.ScopeID, messages []store.Spend) (before []bool, err error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	if len(messages) == 0 {
		return []bool{}, nil
	}
	writes := make([]store.Write, len(messages)) // as many as name messages, and no more
	for i := range messages {
		writes[i].Row.Scope, writes[i].Spend = scope, &messages[i]
	}
	err = c.db.change(ctx, func(t *txn) error {
		s := &stage{sql: &c.db.sql, writes: writes}
		b := &batch{}
		s.queueLockSpent(b)
		if err := t.run(ctx, b); err != nil {
			return err
		}
		before = make([]bool, len(messages))
		for i := range writes {
			if before[i] = s.isSpent(&writes[i]); !before[i] {
				s.spend(&writes[i])
			}
		}
		b = &batch{}
		s.queueSpent(b)
		if len(b.read) == 0 {
			return nil // all were spent before
		}
		c.db.sweep(writes).queue(s.sql, b)
		return t.run(ctx, b)
	})
	if err != nil {
		return nil, err
	}
	return before, nil
}
