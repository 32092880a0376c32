package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/tokenize/store"
)

// queueCards locks and reads the rows that the writes name.
func (s *stage) queueCards(b *batch) {
	if len(s.writes) == 0 {
		return
	}
	scopes, tokens := make([][]byte, len(s.writes)), make([]string, len(s.writes))
	for i := range s.writes {
		r := &s.writes[i].Row
		scopes[i], tokens[i] = r.Scope[:], r.Token
	}
	b.rows(func(rows pgx.Rows) error {
		var scope, index []byte
		var token string
		var version int64
		var status int16
		var c card
		err := rows.Scan(&scope, &token, &version, &status, &c.order, &index)
		if err != nil {
			return scanFailed(err)
		}
		c.version, c.status = uint64(version), store.Status(status)
		if c.entries, err = decodeEntries(index); err != nil {
			return err
		}
		s.cards[name{store.ScopeID(scope), token}] = c // a scope we asked for
		return nil
	}, s.sql.lockCards, scopes, tokens)
}

// queueCalls locks and reads the calls that the writes are to remember, and the
// state of the tokens they led to.
func (s *stage) queueCalls(b *batch) {
	var scopes, keys [][]byte
	for i := range s.writes {
		if w := &s.writes[i]; w.Once != nil {
			scopes, keys = append(scopes, w.Row.Scope[:]), append(keys, w.Once.Key[:])
		}
	}
	if len(keys) == 0 {
		return
	}
	b.rows(func(rows pgx.Rows) error {
		var scope, key, input []byte
		var version int64
		var status int16
		c := call{there: true}
		if err := rows.Scan(&scope, &key, &c.token, &input, &c.until, &version, &status); err != nil {
			return scanFailed(err)
		}
		if len(input) != len(c.input) {
			return corrupt("a remembered call")
		}
		copy(c.input[:], input)
		s.calls[callName{store.ScopeID(scope), [32]byte(key)}] = c
		n := name{store.ScopeID(scope), c.token}
		if _, known := s.cards[n]; !known && version > 0 {
			s.cards[n] = card{version: uint64(version), status: store.Status(status)}
		}
		return nil
	}, s.sql.lockCalls, scopes, keys)
}

// queueHolders reads who holds the index values that the writes claim.
func (s *stage) queueHolders(b *batch) {
	claimed := s.claimed()
	if claimed.len() == 0 {
		return
	}
	b.rows(func(rows pgx.Rows) error {
		var scope, key, value []byte
		var token string
		if err := rows.Scan(&scope, &key, &value, &token); err != nil {
			return scanFailed(err)
		}
		var p place
		copy(p.scope[:], scope)
		copy(p.Key[:], key)
		copy(p.Value[:], value)
		s.held[p] = append(s.held[p], token)
		return nil
	}, s.sql.holders, claimed.scope, claimed.key, claimed.value)
}
