package postgres

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/tokenize/store"
)

// errRefused ends a transaction whose outcomes are not all Written.
var errRefused = errors.New("postgres: write refused")

// errNoScope ends a transaction that found a scope without row.
var errNoScope = errors.New("postgres: scope without row")

// cards is the card store of a DB.
type cards struct{ db *DB }

// Write applies the writes in one transaction. New tokens alone, the usual case,
// are inserted at once: one round trip, and one for the commit, or COPY where they
// are many. What a constraint or a look-up says against that takes the transaction
// back, and the next one locks and reads before it writes.
//
// Where several outcomes fit one write it is the first of Outdated, Replayed,
// Spent, Stale, CardExists, TokenTaken, Fenced.
func (c cards) Write(ctx context.Context, writes []store.Write, job *store.Job) ([]store.Outcome, error) {
	if err := c.db.ready(ctx); err != nil {
		return nil, err
	}
	for i := range writes {
		if err := check(&writes[i]); err != nil {
			return nil, err
		}
	}
	out := make([]store.Outcome, len(writes))
	if len(writes) == 0 && job == nil {
		return out, nil
	}
	direct := independent(writes)
	var missing [][]byte
	err := c.db.change(ctx, func(t *txn) error {
		if len(missing) > 0 {
			// Not in the transaction: others would wait for its end.
			if _, err := t.conn.Exec(ctx, c.db.sql.addScopes, missing); err != nil {
				return err
			}
			missing = nil
		}
		s := newStage(&c.db.sql, writes)
		var err error
		if direct {
			err = s.insert(ctx, t, job, c.db.sweep(writes))
			direct = direct && !errors.Is(err, errRace)
		} else if err = s.read(ctx, t); err == nil {
			if err = s.judge(out); err == nil {
				err = s.store(ctx, t, job, c.db.sweep(writes))
			}
		}
		if errors.Is(err, errNoScope) {
			missing, err = s.missing, errRace
		}
		return err
	})
	switch {
	case errors.Is(err, errRefused):
		return out, nil
	case err != nil:
		return nil, err
	}
	for i := range out {
		out[i] = store.Outcome{Result: store.Written}
	}
	return out, nil
}

// independent reports writes that all make a new token, none of which another
// one's outcome could depend on.
func independent(writes []store.Write) bool {
	for i := range writes {
		if w := &writes[i]; w.Row.Version != 0 || w.Row.Status == store.Deleted {
			return false
		}
	}
	if len(writes) < 2 {
		return true
	}
	names := make([]name, len(writes))
	unique := false
	var places []place
	var calls, spends []place // of a scope and a call's key, or a message's digest
	for i := range writes {
		w := &writes[i]
		names[i] = name{w.Row.Scope, w.Row.Token}
		unique = unique || w.Unique
		for j := range w.Row.Index {
			places = append(places, place{w.Row.Scope, w.Row.Index[j]})
		}
		if w.Once != nil {
			calls = append(calls, place{w.Row.Scope, store.IndexValue{Value: w.Once.Key}})
		}
		if w.Spend != nil {
			spends = append(spends, place{w.Row.Scope, store.IndexValue{Value: w.Spend.Digest}})
		}
	}
	slices.SortFunc(names, name.compare)
	if len(slices.Compact(names)) < len(writes) {
		return false
	}
	if !unique {
		places = nil // they may repeat
	}
	for _, list := range [][]place{places, calls, spends} {
		slices.SortFunc(list, func(a, b place) int { return a.compare(&b) })
		for i := 1; i < len(list); i++ {
			if list[i] == list[i-1] {
				return false
			}
		}
	}
	return true
}

// insert writes new tokens without reading anything first.
func (s *stage) insert(ctx context.Context, t *txn, job *store.Job, old sweepings) error {
	b := &batch{}
	s.queueLocks(b)
	for i := range s.writes {
		w := &s.writes[i]
		row := staged{row: &w.Row, version: 1, order: w.Row.Order}
		for _, v := range w.Row.Index {
			row.entries = append(row.entries, entry{v, w.Unique})
		}
		s.rows = append(s.rows, row)
		if w.Once != nil {
			s.calls[callName{w.Row.Scope, w.Once.Key}] = call{
				token: w.Row.Token, input: w.Once.Input, until: w.Once.Until, changed: true,
			}
		}
		if w.Spend != nil {
			s.spend(w)
		}
	}
	many, plain := len(s.writes) >= copyFrom, false
	if many {
		// Mostly there is no plain value in the whole scope.
		s.queueAnyPlain(b, &plain)
	} else {
		s.queuePlainHolders(b)
		s.queueChanges(b, job, old)
	}
	if err := t.run(ctx, b); err != nil {
		return err
	}
	for i := range s.writes {
		w := &s.writes[i]
		epoch, known := s.epochs[w.Row.Scope]
		if !known {
			return s.noScope(w)
		}
		if epoch != w.Epoch {
			return errRace // which the reading way will tell
		}
		if _, open := s.fenced(&w.Row); !open {
			return errRace
		}
	}
	if !many {
		return nil
	}
	if plain {
		b := &batch{}
		s.queuePlainHolders(b)
		if err := t.run(ctx, b); err != nil {
			return err
		}
	}
	return s.copyNew(ctx, t, job, old)
}

// queuePlainHolders has a plain value that a write claims to be a race: the
// primary key of unique_values does not see those.
func (s *stage) queuePlainHolders(b *batch) {
	if claimed := s.claimed(); claimed.len() > 0 {
		b.count(0, s.sql.plainHolders, claimed.scope, claimed.key, claimed.value)
	}
}

func (s *stage) queueAnyPlain(b *batch, found *bool) {
	if !s.unique {
		return
	}
	var scopes [][]byte
	for i := range s.writes {
		if n := len(scopes); n == 0 || !bytes.Equal(scopes[n-1], s.writes[i].Row.Scope[:]) {
			scopes = append(scopes, s.writes[i].Row.Scope[:])
		}
	}
	b.rows(func(pgx.Rows) error { *found = true; return nil }, s.sql.anyPlain, scopes)
}

// claimed are the index values of writes that are Unique.
func (s *stage) claimed() (list values) {
	for i := range s.writes {
		if w := &s.writes[i]; w.Unique && w.Row.Status != store.Deleted {
			for j := range w.Row.Index {
				list.add(&place{w.Row.Scope, w.Row.Index[j]}, "")
			}
		}
	}
	return list
}

func (s *stage) noScope(w *store.Write) error {
	for i := range s.writes {
		scope := &s.writes[i].Row.Scope
		if _, known := s.epochs[*scope]; !known {
			s.missing = append(s.missing, scope[:])
		}
	}
	slices.SortFunc(s.missing, bytes.Compare)
	s.missing = slices.CompactFunc(s.missing, bytes.Equal)
	return errNoScope
}
