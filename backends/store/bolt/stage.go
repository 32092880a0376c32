package bolt

import (
	"bytes"
	"slices"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// stage judges the writes of one call. What it accepts it keeps beside the
// transaction, for later writes of the call to see, so that in the end each
// bucket is filled once and in the order of its keys.
type stage struct {
	tx                         *bbolt.Tx
	cards, index, once, fences *bbolt.Bucket

	rows   []stagedRow
	byName map[rowName]int // into rows
	held   map[indexPrefix][]string
	unique bool // held is needed
	calls  map[onceKey]call
	spent  map[spentKey]int64      // messages that this call spends, until when
	open   map[envelope.KeyID]bool // fences looked up so far
	epochs map[store.ScopeID]uint64

	key []byte // room for look-ups
}

type rowName struct {
	scope store.ScopeID
	token string
}

// stagedRow is a row as the call leaves it.
type stagedRow struct {
	row *store.Row // of the last write to it
	new head
	old []byte // as the transaction began; nil: none
}

func newStage(tx *bbolt.Tx, writes []store.Write) *stage {
	s := &stage{
		tx:    tx,
		cards: tx.Bucket(bucketCards), index: tx.Bucket(bucketIndex),
		once: tx.Bucket(bucketOnce), fences: tx.Bucket(bucketFences),
		rows:   make([]stagedRow, 0, len(writes)),
		byName: make(map[rowName]int, len(writes)),
		open:   map[envelope.KeyID]bool{},
		epochs: map[store.ScopeID]uint64{},
	}
	if slices.ContainsFunc(writes, func(w store.Write) bool { return w.Unique }) {
		s.unique = true
		s.held = make(map[indexPrefix][]string, len(writes))
	}
	if slices.ContainsFunc(writes, func(w store.Write) bool { return w.Once != nil }) {
		s.calls = make(map[onceKey]call, len(writes))
	}
	return s
}

// current returns the row's head as earlier writes of the call left it (version
// 0 if there is none), its place in rows (-1 if none of them touched it), and
// its value at the transaction's beginning.
func (s *stage) current(name rowName) (h head, at int, old []byte, err error) {
	if at, ok := s.byName[name]; ok {
		return s.rows[at].new, at, s.rows[at].old, nil
	}
	s.key = appendCardKey(s.key[:0], &name.scope, name.token)
	if old = s.cards.Get(s.key); old != nil {
		h, err = readHead(&reader{b: old})
	}
	return h, -1, old, err
}

// add judges a write and, if nothing stands in its way, stages it. Where several
// outcomes fit it is the first of Outdated, Replayed, Spent, Stale, CardExists,
// TokenTaken, Fenced.
func (s *stage) add(w *store.Write) (store.Outcome, error) {
	r := &w.Row
	if epoch, err := s.epoch(r.Scope); err != nil || epoch != w.Epoch {
		return store.Outcome{Result: store.Outdated}, err
	}
	if w.Once != nil {
		known, ok, err := s.recall(w)
		if err != nil || ok {
			return store.Outcome{Result: store.Replayed, Token: known.token, Input: known.input}, err
		}
	}
	if w.Spend != nil {
		if spent, err := s.isSpent(&r.Scope, w.Spend); err != nil || spent {
			return store.Outcome{Result: store.Spent}, err
		}
	}
	h, at, old, err := s.current(rowName{r.Scope, r.Token})
	if err != nil {
		return store.Outcome{}, err
	}
	gone := r.Status == store.Deleted
	if r.Version > 0 && (h.version != r.Version || h.status == store.Deleted) {
		return store.Outcome{Result: store.Stale}, nil
	}
	if w.Unique && !gone {
		for i := range r.Index {
			if token, held := s.holder(r, &r.Index[i]); held {
				return store.Outcome{Result: store.CardExists, Token: token}, nil
			}
		}
	}
	if r.Version == 0 && h.version != 0 {
		return store.Outcome{Result: store.TokenTaken}, nil
	}
	if !gone {
		for i := range r.Sealed {
			if key, _ := envelope.StoredKeyID(r.Sealed[i].Record); !s.fenceOpen(key) {
				return store.Outcome{Result: store.Fenced, Key: key}, nil
			}
		}
	}
	if h.version == 0 || !gone {
		h.order = r.Order // a tombstone keeps its place in the column
	}
	h.version, h.status = r.Version+1, r.Status
	s.keep(r, h, at, old)
	if w.Once != nil {
		s.calls[makeOnceKey(&r.Scope, w.Once)] = call{token: r.Token, input: w.Once.Input, until: w.Once.Until}
	}
	if w.Spend != nil {
		s.spend(&r.Scope, w.Spend)
	}
	return store.Outcome{Result: store.Written}, nil
}

func (s *stage) keep(r *store.Row, h head, at int, old []byte) {
	if at < 0 {
		at = len(s.rows)
		s.rows = append(s.rows, stagedRow{old: old})
		s.byName[rowName{r.Scope, r.Token}] = at
	}
	staged := &s.rows[at]
	if s.unique {
		if before := staged.row; before != nil && before.Status != store.Deleted {
			for i := range before.Index {
				s.letGo(before, &before.Index[i])
			}
		}
		if r.Status != store.Deleted {
			for i := range r.Index {
				p := makeIndexPrefix(&r.Scope, &r.Index[i])
				s.held[p] = append(s.held[p], r.Token)
			}
		}
	}
	staged.row, staged.new = r, h
}

func (s *stage) letGo(r *store.Row, v *store.IndexValue) {
	p := makeIndexPrefix(&r.Scope, v)
	list := s.held[p]
	for i, token := range list {
		if token == r.Token {
			s.held[p] = append(list[:i], list[i+1:]...)
			return
		}
	}
}

// holder returns the token that sorts first of those that hold the value and
// are not r's own. What the bucket says of a staged row is out of date; held
// speaks for those.
func (s *stage) holder(r *store.Row, v *store.IndexValue) (first string, found bool) {
	p := makeIndexPrefix(&r.Scope, v)
	c := s.index.Cursor()
	for k, _ := c.Seek(p[:]); bytes.HasPrefix(k, p[:]); k, _ = c.Next() {
		token := string(k[len(p):])
		if _, staged := s.byName[rowName{r.Scope, token}]; !staged && token != r.Token {
			first, found = token, true
			break
		}
	}
	for _, token := range s.held[p] {
		if token != r.Token && (!found || token < first) {
			first, found = token, true
		}
	}
	return first, found
}

// epoch looks a scope's epoch up in the transaction, once.
func (s *stage) epoch(scope store.ScopeID) (uint64, error) {
	epoch, known := s.epochs[scope]
	if !known {
		r, _, err := repositoryOf(s.tx, scope)
		if err != nil {
			return 0, err
		}
		epoch = r.Epoch
		s.epochs[scope] = epoch
	}
	return epoch, nil
}

// fenceOpen looks a fence up in the transaction, once.
func (s *stage) fenceOpen(key envelope.KeyID) bool {
	open, known := s.open[key]
	if !known {
		open = bytes.Equal(s.fences.Get(key[:]), fenceOpen)
		s.open[key] = open
	}
	return open
}
