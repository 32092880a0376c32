package postgres

import (
	"cmp"
	"context"
	"slices"

	"github.com/cardseal/cardseal/tokenize/store"
)

// chunk is how many rows one statement is given.
const chunk = 2000

// store sends what was staged, and counts: what a constraint held back is a race
// lost to a transaction that was not there yet when this one read.
func (s *stage) store(ctx context.Context, t *txn, job *store.Job, old sweepings) error {
	b := &batch{}
	s.queueChanges(b, job, old)
	return t.run(ctx, b)
}

// queueChanges inserts and updates in one order for everybody, table by table and
// by key within each, so that transactions wait for each other but never in a
// circle.
func (s *stage) queueChanges(b *batch, job *store.Job, old sweepings) {
	lists := s.prepare()
	s.queueRows(b)
	s.queueIndex(b, &lists)
	s.queueRemember(b)
	s.queueSpent(b)
	s.queueRest(b, job, old)
}

// prepare sorts the rows and lists what changes in their index values.
func (s *stage) prepare() [4][]holding {
	slices.SortFunc(s.rows, func(x, y staged) int {
		return name{x.row.Scope, x.row.Token}.compare(name{y.row.Scope, y.row.Token})
	})
	return s.index()
}

func (s *stage) queueRest(b *batch, job *store.Job, old sweepings) {
	old.queue(s.sql, b)
	if job != nil {
		b.exec(s.sql.putJob, job.ID[:], append([]byte{}, job.State...))
	}
}

func (s *stage) queueRows(b *batch) {
	for part := range slices.Chunk(s.rows, chunk) {
		fresh := 0
		for i := range part {
			if part[i].old.version == 0 {
				fresh++
			}
		}
		added, changed := newColumns(fresh), newColumns(len(part)-fresh)
		for i := range part {
			r, into := &part[i], changed
			if r.old.version == 0 {
				into = added
			}
			into.add(r.row, r.version, r.order, r.entries)
		}
		if fresh > 0 {
			b.count(fresh, s.sql.insertCards, added.args()...)
		}
		if fresh < len(part) {
			b.count(len(part)-fresh, s.sql.updateCards, changed.args()...)
		}
	}
}

// values are index values, column by column.
type values struct {
	scope, key, value [][]byte
	token             []string
}

func (v *values) len() int { return len(v.scope) }

func (v *values) add(p *place, token string) {
	v.scope, v.key, v.value = append(v.scope, p.scope[:]), append(v.key, p.Key[:]), append(v.value, p.Value[:])
	v.token = append(v.token, token)
}

type holding struct {
	place
	token string
}

// index lists what changes in the index values of the rows, in the order in which
// it is to be done: what goes from unique_values and plain_values, what comes. A
// value may pass from one row to another in one call.
func (s *stage) index() (lists [4][]holding) {
	for i := range s.rows {
		r := &s.rows[i]
		for _, e := range r.old.entries {
			if !slices.Contains(r.entries, e) {
				add(&lists, 0, e, r)
			}
		}
		for _, e := range r.entries {
			if !slices.Contains(r.old.entries, e) {
				add(&lists, 2, e, r)
			}
		}
	}
	for _, list := range lists {
		slices.SortFunc(list, func(x, y holding) int {
			return cmp.Or(x.place.compare(&y.place), cmp.Compare(x.token, y.token))
		})
	}
	return lists
}

func (s *stage) queueIndex(b *batch, lists *[4][]holding) {
	for i, sql := range []string{s.sql.deleteUnique, s.sql.deletePlain, s.sql.insertUnique, s.sql.insertPlain} {
		for part := range slices.Chunk(lists[i], chunk) {
			var v values
			for j := range part {
				v.add(&part[j].place, part[j].token)
			}
			b.count(len(part), sql, v.scope, v.key, v.value, v.token)
		}
	}
}

func add(lists *[4][]holding, at int, e entry, r *staged) {
	if !e.unique {
		at++
	}
	lists[at] = append(lists[at], holding{place{r.row.Scope, e.IndexValue}, r.row.Token})
}

// sortedCalls names the calls that are to be remembered.
func (s *stage) sortedCalls() (names []callName) {
	for n, c := range s.calls {
		if c.changed {
			names = append(names, n)
		}
	}
	slices.SortFunc(names, func(x, y callName) int {
		a, b := place{x.scope, store.IndexValue{Value: x.key}}, place{y.scope, store.IndexValue{Value: y.key}}
		return a.compare(&b)
	})
	return names
}

// queueRemember stores the calls that are to be remembered.
func (s *stage) queueRemember(b *batch) {
	for part := range slices.Chunk(s.sortedCalls(), chunk) {
		var lists [2]struct {
			scope, key, input [][]byte
			token             []string
			until             []int64
		}
		for i := range part {
			c, l := s.calls[part[i]], &lists[0]
			if c.there {
				l = &lists[1]
			}
			l.scope, l.key = append(l.scope, part[i].scope[:]), append(l.key, part[i].key[:])
			l.token, l.input, l.until = append(l.token, c.token), append(l.input, c.input[:]), append(l.until, c.until)
		}
		for i, sql := range []string{s.sql.insertCalls, s.sql.putCalls} {
			if l := &lists[i]; len(l.key) > 0 {
				b.count(len(l.key), sql, l.scope, l.key, l.token, l.input, l.until)
			}
		}
	}
}
