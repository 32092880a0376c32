// Package memory is a key store and card store that lives in this process and
// ends with it: for tests, and for caches that may be lost. [Codes] is the store of
// security codes that are to be forgotten: codes and their data keys are in this
// process's memory and nowhere else.
//
// When not to use it: nothing here is durable. A data key that is kept in this
// store alone is gone with the process, and with it every record sealed under
// it. Production keeps data keys and cards in package bolt or postgres, and codes
// that more than one process must see in an ephemeral database of package postgres.
//
// Limits: a token, an ordered column, a repository's name and a merchant have
// at most 255 bytes. There is no limit on rows but memory; a row takes about
// the size of its fields and two map entries. Tombstones are never removed.
//
// All stores are safe for concurrent use. Writes to different scopes do not
// wait for each other. Strings are kept as the caller passed them in part;
// bytes are copied on the way in and on the way out.
package memory

import (
	"bytes"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// DB holds keys and cards of one process. Make it with [New].
type DB struct {
	closed atomic.Bool

	scopes atomic.Pointer[map[store.ScopeID]*scope] // replaced, never changed
	fences atomic.Pointer[map[envelope.KeyID]fence] // likewise
	admin  sync.Mutex                               // guards replacing them, and what follows

	repositories map[string]store.Repository
	merchants    map[string]store.ScopeID

	jobsMu sync.Mutex // taken last, inside the scopes' locks
	jobs   map[store.JobID][]byte

	keyStore keyStore
}

// fence is the state of a data key's fence; a key without one is not in the map.
type fence uint8

const (
	fenceOpen fence = iota + 1
	fenceClosed
)

// New returns an empty store.
func New() *DB {
	db := &DB{
		repositories: map[string]store.Repository{},
		merchants:    map[string]store.ScopeID{},
		jobs:         map[store.JobID][]byte{},
	}
	db.scopes.Store(&map[store.ScopeID]*scope{})
	db.fences.Store(&map[envelope.KeyID]fence{})
	db.keyStore = newKeyStore(&db.closed)
	return db
}

// Keys is the key store.
func (db *DB) Keys() keys.Store { return &db.keyStore }

// Cards is the card store.
func (db *DB) Cards() store.Cards { return cards{db} }

// Close makes every later call fail: the card store with [store.ErrClosed], the
// key store with an error that is [store.ErrClosed] and [keys.ErrClosed]. It
// never fails and may be called more than once. What was stored is given up
// when the last reference to db is.
func (db *DB) Close() error {
	db.closed.Store(true)
	return nil
}

// errKeysClosed is what the key store answers after Close.
var errKeysClosed = fmt.Errorf("memory: %w (%w)", store.ErrClosed, keys.ErrClosed)

// scope returns the state of one scope, or nil where nothing was ever written
// and create is false.
func (db *DB) scope(id store.ScopeID, create bool) *scope {
	if s := (*db.scopes.Load())[id]; s != nil || !create {
		return s
	}
	db.admin.Lock()
	defer db.admin.Unlock()
	return db.makeScope(id)
}

// makeScope returns the state of one scope, made if need be; db.admin is held.
func (db *DB) makeScope(id store.ScopeID) *scope {
	old := *db.scopes.Load()
	if s := old[id]; s != nil {
		return s
	}
	next := make(map[store.ScopeID]*scope, len(old)+1)
	for k, v := range old {
		next[k] = v
	}
	s := newScope(id)
	next[id] = s
	db.scopes.Store(&next)
	return s
}

// allScopes lists the scopes by ID.
func (db *DB) allScopes() []*scope {
	m := *db.scopes.Load()
	list := make([]*scope, 0, len(m))
	for _, s := range m {
		list = append(list, s)
	}
	slices.SortFunc(list, compareScopes)
	return list
}

func compareScopes(a, b *scope) int { return bytes.Compare(a.id[:], b.id[:]) }
