package memory

import (
	"hash/maphash"
	"slices"
	"strings"
	"sync"

	"github.com/cardseal/cardseal/tokenize/store"
)

// scope is one scope's rows and what finds them. mu guards everything but id
// and seed, and is held for look-ups only: encoded rows are decoded outside it.
type scope struct {
	id   store.ScopeID
	seed maphash.Seed
	mu   sync.Mutex

	epoch  uint64    // what writes must name
	rows   []encoded // by number, which a token keeps for good; 0 is none
	tokens table     // by the token's hash
	index  table     // by the index value's hash, one entry for each value of a row

	order map[string]*column
	once  map[[32]byte]remembered
	sweep int // how many remembered calls make the next sweep due

	spent      map[[32]byte]int64 // messages, until when they are remembered
	sweepSpent int                // as sweep

	sorted []uint32 // rows by token; stale when shorter than rows
}

func newScope(id store.ScopeID) *scope {
	return &scope{
		id:    id,
		seed:  maphash.MakeSeed(),
		rows:  make([]encoded, 1),
		order: map[string]*column{},
		once:  map[[32]byte]remembered{},
		sweep: minSweep,
		spent: map[[32]byte]int64{}, sweepSpent: minSweep,
	}
}

// wait returns when every call that held the lock before has let go of it.
func (s *scope) wait() {
	s.mu.Lock()
	defer s.mu.Unlock()
}

func (s *scope) hash(text string) uint32 { return uint32(maphash.String(s.seed, text)) }

// find returns a token's row number, or 0, and the token's hash.
func (s *scope) find(token string) (row, hash uint32) {
	hash = s.hash(token)
	row, at := s.tokens.next(hash, hash)
	for row != 0 && s.rows[row].token() != token {
		row, at = s.tokens.next(hash, at+1)
	}
	return row, hash
}

// row returns a token's row, or an empty string.
func (s *scope) row(token string) encoded {
	n, _ := s.find(token)
	return s.rows[n]
}

// holders appends the tokens that hold a value, in no order.
func (s *scope) holders(dst []string, v *store.IndexValue) []string {
	hash := uint32(maphash.Bytes(s.seed, v.Value[:]))
	for row, at := s.index.next(hash, hash); row != 0; row, at = s.index.next(hash, at+1) {
		if s.rows[row].holds(v) {
			dst = append(dst, s.rows[row].token())
		}
	}
	// Two values of one row may have the same hash.
	slices.Sort(dst)
	return slices.Compact(dst)
}

// holder returns a token other than self that holds one of the values: of the
// first such value the token that sorts first.
func (s *scope) holder(values []store.IndexValue, self string) (string, bool) {
	var room [4]string
	for i := range values {
		for _, t := range s.holders(room[:0], &values[i]) {
			if t != self {
				return t, true
			}
		}
	}
	return "", false
}

// link makes the row findable by its index values and its ordered column;
// unlink undoes it.
func (s *scope) link(row uint32) {
	e := s.rows[row]
	for i := range e.indexed() {
		s.index.add(s.hash(e.indexValue(i)), row)
	}
	if order := e.order(); order != "" {
		s.addOrder(order)
	}
}

func (s *scope) unlink(row uint32) {
	e := s.rows[row]
	for i := range e.indexed() {
		s.index.remove(s.hash(e.indexValue(i)), row)
	}
	if order := e.order(); order != "" {
		s.removeOrder(order)
	}
}

// put makes e the row of its token, which has the given number and hash, or
// number 0 where it is new.
func (s *scope) put(e encoded, row, hash uint32) {
	if row == 0 {
		row = uint32(len(s.rows))
		s.rows = append(s.rows, e)
		s.tokens.add(hash, row)
	} else {
		s.unlink(row)
		s.rows[row] = e
	}
	s.link(row)
}

// takeBack undoes the last put of a token that was new. Nothing that was put
// after it may remain.
func (s *scope) takeBack(row, hash uint32) {
	s.unlink(row)
	s.tokens.remove(hash, row)
	s.rows = s.rows[:row]
}

// after returns the rows whose tokens sort after the given one. A row's token
// never changes and no row goes away, so the sorted list is stale exactly when
// it is too short.
func (s *scope) after(token string) []uint32 {
	if len(s.sorted) < len(s.rows)-1 {
		list := make([]uint32, len(s.rows)-1)
		for i := range list {
			list[i] = uint32(i + 1)
		}
		slices.SortFunc(list, s.compare)
		s.sorted = list // a new one: an older one may be in use by a scan
	}
	at, found := slices.BinarySearchFunc(s.sorted, token, func(row uint32, token string) int {
		return strings.Compare(s.rows[row].token(), token)
	})
	if found {
		at++
	}
	return s.sorted[at:]
}

func (s *scope) compare(a, b uint32) int {
	return strings.Compare(s.rows[a].token(), s.rows[b].token())
}
