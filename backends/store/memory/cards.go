package memory

import (
	"context"
	"iter"
	"slices"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// cards is the card store of a DB.
type cards struct{ db *DB }

// chunk is how many rows a scan takes out under one lock.
const chunk = 256

func (c cards) Get(ctx context.Context, id store.ScopeID, tokens []string) ([]store.Row, error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	rows := make([]store.Row, len(tokens))
	s := c.db.scope(id, false)
	if s == nil {
		return rows, nil
	}
	found := make([]encoded, len(tokens))
	s.mu.Lock()
	for i, t := range tokens {
		found[i] = s.row(t)
	}
	s.mu.Unlock()
	for i, e := range found {
		if e != "" {
			rows[i] = e.decode(id)
		}
	}
	return rows, nil
}

func (c cards) ByIndex(ctx context.Context, id store.ScopeID, values []store.IndexValue) ([][]string, error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	lists := make([][]string, len(values))
	s := c.db.scope(id, false)
	if s == nil {
		return lists, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range values {
		lists[i] = s.holders(nil, &values[i])
	}
	return lists, nil
}

// Ordered yields the column as it was when the iteration began.
func (c cards) Ordered(ctx context.Context, id store.ScopeID, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if err := c.db.ready(ctx); err != nil {
			yield("", err)
			return
		}
		s := c.db.scope(id, false)
		if s == nil {
			return
		}
		s.mu.Lock()
		list := s.ordered(prefix)
		s.mu.Unlock()
		for i, order := range list {
			if i%chunk == chunk-1 {
				if err := c.db.ready(ctx); err != nil {
					yield("", err)
					return
				}
			}
			if !yield(order, nil) {
				return
			}
		}
	}
}

// Scan yields the tokens there were when the iteration began, each row as it is
// when its turn comes.
func (c cards) Scan(ctx context.Context, id store.ScopeID, after string) iter.Seq2[store.Row, error] {
	return func(yield func(store.Row, error) bool) {
		if err := c.db.ready(ctx); err != nil {
			yield(store.Row{}, err)
			return
		}
		s := c.db.scope(id, false)
		if s == nil {
			return
		}
		s.mu.Lock()
		left := s.after(after)
		s.mu.Unlock()
		var rows []encoded
		for len(left) > 0 {
			if err := c.db.ready(ctx); err != nil {
				yield(store.Row{}, err)
				return
			}
			n := min(chunk, len(left))
			rows = rows[:0]
			s.mu.Lock()
			for _, row := range left[:n] {
				rows = append(rows, s.rows[row])
			}
			s.mu.Unlock()
			left = left[n:]
			for _, e := range rows {
				if !yield(e.decode(id), nil) {
					return
				}
			}
		}
	}
}

// CountByKey reads all rows; each scope is counted as it is at one moment.
func (c cards) CountByKey(ctx context.Context, key envelope.KeyID) (uint64, error) {
	var n uint64
	for _, s := range c.db.allScopes() {
		if err := c.db.ready(ctx); err != nil {
			return 0, err
		}
		s.mu.Lock()
		rows := slices.Clone(s.rows[1:])
		s.mu.Unlock()
		for _, e := range rows {
			n += e.sealedUnder(key)
		}
	}
	return n, c.db.ready(ctx)
}
