package memory

import (
	"context"
	"slices"

	"github.com/cardseal/cardseal/tokenize/store"
)

// locked is the scopes that one call writes to, all locked. Most calls write to
// one, which takes no memory.
type locked struct {
	one  *scope
	many []*scope // nil, or all of them by ID
}

// lock takes the locks of the writes' scopes, in the order of their IDs so that
// two calls never wait for each other.
func (db *DB) lock(writes []store.Write) locked {
	if len(writes) == 0 {
		return locked{}
	}
	l := locked{one: db.scope(writes[0].Row.Scope, true)}
	for i := range writes {
		if writes[i].Row.Scope != l.one.id {
			l.many = db.scopesOf(writes)
			for _, s := range l.many {
				s.mu.Lock()
			}
			return l
		}
	}
	l.one.mu.Lock()
	return l
}

func (db *DB) scopesOf(writes []store.Write) []*scope {
	var list []*scope
	for i := range writes {
		list = append(list, db.scope(writes[i].Row.Scope, true))
	}
	slices.SortFunc(list, compareScopes)
	return slices.Compact(list)
}

// of returns the scope of a write.
func (l *locked) of(w *store.Write) *scope {
	if l.one.id == w.Row.Scope {
		return l.one
	}
	for _, s := range l.many {
		if s.id == w.Row.Scope {
			return s
		}
	}
	panic("memory: write to a scope that is not locked")
}

func (l *locked) unlock() {
	switch {
	case l.many != nil:
		for _, s := range l.many {
			s.mu.Unlock()
		}
	case l.one != nil:
		l.one.mu.Unlock()
	}
}

// ready says whether a call may go on.
func (db *DB) ready(ctx context.Context) error {
	if db.closed.Load() {
		return store.ErrClosed
	}
	return ctx.Err()
}
