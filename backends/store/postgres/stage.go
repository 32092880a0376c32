package postgres

import (
	"bytes"
	"context"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// stage is the writes of a call, one after the other, over what the transaction
// read. Only what they come to in the end is stored.
type stage struct {
	sql    *statements
	writes []store.Write

	epochs map[store.ScopeID]uint64
	open   map[envelope.KeyID]bool // fences that are there
	cards  map[name]card           // as stored
	calls  map[callName]call       // as stored, then as this call leaves them
	spent  map[messageName]message // likewise
	held   map[place][]string      // holders of index values, likewise; where a write is Unique
	unique bool

	rows    []staged
	byName  map[name]int // place in rows
	missing [][]byte     // scopes without row
}

// card is what a write must know of the row it replaces.
type card struct {
	version uint64
	status  store.Status
	order   string
	entries []entry
}

type callName struct {
	scope store.ScopeID
	key   [32]byte
}

// call is a remembered call. There tells one that is stored from one that this
// call adds.
type call struct {
	token          string
	input          [32]byte
	until          int64
	there, changed bool
}

// staged is a row as the call leaves it.
type staged struct {
	row     *store.Row // of the last write to it
	version uint64
	status  store.Status
	order   string
	entries []entry
	old     card // as the transaction found it; version 0: none
}

func newStage(sql *statements, writes []store.Write) *stage {
	s := &stage{
		sql: sql, writes: writes,
		epochs: map[store.ScopeID]uint64{}, open: map[envelope.KeyID]bool{}, calls: map[callName]call{},
		rows: make([]staged, 0, len(writes)),
	}
	for i := range writes {
		s.unique = s.unique || writes[i].Unique
	}
	return s
}

// queueLocks takes the locks that make others wait who close a fence or raise an
// epoch, and reads both.
func (s *stage) queueLocks(b *batch) {
	scopes, keys := map[store.ScopeID]bool{}, map[envelope.KeyID]bool{}
	for i := range s.writes {
		r := &s.writes[i].Row
		scopes[r.Scope] = true
		if r.Status == store.Deleted {
			continue
		}
		for j := range r.Sealed {
			id, _ := envelope.StoredKeyID(r.Sealed[j].Record)
			keys[id] = true
		}
	}
	var list [][]byte
	for scope := range scopes {
		list = append(list, bytes.Clone(scope[:]))
	}
	if len(list) > 0 {
		b.rows(func(rows pgx.Rows) error {
			var scope []byte
			var epoch int64
			if err := rows.Scan(&scope, &epoch); err != nil {
				return scanFailed(err)
			}
			if len(scope) != len(store.ScopeID{}) {
				return corrupt("a scope")
			}
			s.epochs[store.ScopeID(scope)] = uint64(epoch)
			return nil
		}, s.sql.lockScopes, list)
	}
	b.fences(s.sql, slices.Collect(maps.Keys(keys)), s.open)
}

// fences locks the fences of data keys and notes which are open.
func (b *batch) fences(sql *statements, keys []envelope.KeyID, into map[envelope.KeyID]bool) {
	if len(keys) == 0 {
		return
	}
	list := make([][]byte, len(keys))
	for i := range keys {
		list[i] = bytes.Clone(keys[i][:])
	}
	b.rows(func(rows pgx.Rows) error {
		var key []byte
		var open bool
		if err := rows.Scan(&key, &open); err != nil {
			return scanFailed(err)
		}
		if len(key) != keySize {
			return corrupt("a fence")
		}
		into[envelope.KeyID(key)] = open
		return nil
	}, sql.lockFences, list)
}

// fenced returns the first data key of a row that has no open fence.
func (s *stage) fenced(r *store.Row) (key envelope.KeyID, open bool) {
	if r.Status == store.Deleted {
		return key, true
	}
	for i := range r.Sealed {
		if key, _ = envelope.StoredKeyID(r.Sealed[i].Record); !s.open[key] {
			return key, false
		}
	}
	return key, true
}

// judge says what becomes of each write and stages those that nothing stands in
// the way of. It returns errRefused if something does.
func (s *stage) judge(out []store.Outcome) error {
	s.byName = make(map[name]int, len(s.writes))
	refused := false
	for i := range s.writes {
		w := &s.writes[i]
		if _, known := s.epochs[w.Row.Scope]; !known {
			return s.noScope(w)
		}
		out[i] = s.one(w)
		refused = refused || out[i].Result != store.Written
	}
	if refused {
		return errRefused
	}
	return nil
}

// one judges a write: the first of Outdated, Replayed, Spent, Stale, CardExists,
// TokenTaken, Fenced that fits.
func (s *stage) one(w *store.Write) store.Outcome {
	r := &w.Row
	if s.epochs[r.Scope] != w.Epoch {
		return store.Outcome{Result: store.Outdated}
	}
	if w.Once != nil {
		if known, ok := s.recall(w); ok {
			return store.Outcome{Result: store.Replayed, Token: known.token, Input: known.input}
		}
	}
	if w.Spend != nil && s.isSpent(w) {
		return store.Outcome{Result: store.Spent}
	}
	at, now := s.current(name{r.Scope, r.Token})
	gone := r.Status == store.Deleted
	if r.Version > 0 && (now.version != r.Version || now.status == store.Deleted) {
		return store.Outcome{Result: store.Stale}
	}
	if w.Unique && !gone {
		for i := range r.Index {
			if token, held := s.holder(r, &r.Index[i]); held {
				return store.Outcome{Result: store.CardExists, Token: token}
			}
		}
	}
	if r.Version == 0 && now.version != 0 {
		return store.Outcome{Result: store.TokenTaken}
	}
	if key, open := s.fenced(r); !open {
		return store.Outcome{Result: store.Fenced, Key: key}
	}
	s.keep(w, at, now)
	if w.Once != nil {
		known := s.calls[callName{r.Scope, w.Once.Key}]
		s.calls[callName{r.Scope, w.Once.Key}] = call{
			token: r.Token, input: w.Once.Input, until: w.Once.Until, there: known.there, changed: true,
		}
	}
	if w.Spend != nil {
		s.spend(w)
	}
	return store.Outcome{Result: store.Written}
}

// current is a row as earlier writes of the call left it, and its place in rows,
// -1 if none of them touched it.
func (s *stage) current(n name) (at int, now card) {
	if at, ok := s.byName[n]; ok {
		r := &s.rows[at]
		return at, card{r.version, r.status, r.order, r.entries}
	}
	return -1, s.cards[n]
}

// recall returns what is remembered of the write's call, if its time is not up
// and its token is not a tombstone.
func (s *stage) recall(w *store.Write) (call, bool) {
	known, ok := s.calls[callName{w.Row.Scope, w.Once.Key}]
	if !ok || w.Once.Now >= known.until {
		return call{}, false
	}
	_, now := s.current(name{w.Row.Scope, known.token})
	return known, now.version != 0 && now.status != store.Deleted
}

// keep stages a write.
func (s *stage) keep(w *store.Write, at int, now card) {
	r := &w.Row
	if at < 0 {
		at = len(s.rows)
		s.rows = append(s.rows, staged{old: now})
		s.byName[name{r.Scope, r.Token}] = at
	}
	row := &s.rows[at]
	if now.version == 0 || r.Status != store.Deleted {
		now.order = r.Order // a tombstone keeps its place in the column
	}
	var entries []entry
	if r.Status != store.Deleted {
		entries = make([]entry, len(r.Index))
		for i, v := range r.Index {
			// A claim to be the only one lasts as long as the row holds the value.
			entries[i] = entry{v, w.Unique || slices.Contains(now.entries, entry{v, true})}
		}
	}
	if s.unique {
		for i := range now.entries {
			p := place{r.Scope, now.entries[i].IndexValue}
			s.held[p] = slices.DeleteFunc(s.held[p], func(token string) bool { return token == r.Token })
		}
		for i := range entries {
			p := place{r.Scope, entries[i].IndexValue}
			s.held[p] = append(s.held[p], r.Token)
		}
	}
	row.row, row.version, row.status, row.order, row.entries = r, r.Version+1, r.Status, now.order, entries
}

// holder returns the token that sorts first of those that hold the value and are
// not r's own.
func (s *stage) holder(r *store.Row, v *store.IndexValue) (first string, found bool) {
	for _, token := range s.held[place{r.Scope, *v}] {
		if token != r.Token && (!found || token < first) {
			first, found = token, true
		}
	}
	return first, found
}

// read locks the rows and calls that the writes name, then reads who holds their
// index values: after whoever the locks waited for.
func (s *stage) read(ctx context.Context, t *txn) error {
	b := &batch{}
	s.queueLocks(b)
	s.cards = make(map[name]card, len(s.writes))
	s.queueCards(b)
	s.queueCalls(b)
	s.queueLockSpent(b)
	if s.unique {
		s.held = map[place][]string{}
		s.queueHolders(b)
	}
	return t.run(ctx, b)
}
