package capture

import (
	"bytes"
	"context"
	"sync"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// KeyID names a key pair.
type KeyID = cryptocapture.KeyID

// Key is a key pair as a store keeps it.
type Key = store.CaptureKey

// KeyStore is where capture keys live. backends/store has those that last.
type KeyStore = store.CaptureKeys

// MemoryKeys is a key store in memory, for tests and for keys that need not
// outlive the process. The zero value is an empty store.
type MemoryKeys struct {
	mu   sync.Mutex
	keys map[keyName]Key
}

type keyName struct {
	scope, alias string
	id           KeyID
}

// Put stores a key, or returns [store.ErrConflict].
func (s *MemoryKeys) Put(ctx context.Context, k Key, was []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := store.CheckCaptureKey(&k); err != nil {
		return err
	}
	k.Sealed = bytes.Clone(k.Sealed)
	s.mu.Lock()
	defer s.mu.Unlock()
	name := keyName{k.Scope, k.Alias, k.ID}
	if old, ok := s.keys[name]; ok != (was != nil) || !bytes.Equal(old.Sealed, was) {
		return store.ErrConflict
	}
	if s.keys == nil {
		s.keys = map[keyName]Key{}
	}
	s.keys[name] = k
	return nil
}

// Get returns a key, or [store.ErrNotFound].
func (s *MemoryKeys) Get(ctx context.Context, scope, alias string, id KeyID) (Key, error) {
	if err := ctx.Err(); err != nil {
		return Key{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[keyName{scope, alias, id}]
	if !ok {
		return Key{}, store.ErrNotFound
	}
	k.Sealed = bytes.Clone(k.Sealed)
	return k, nil
}

// List returns the keys of a scope, or of one alias in it.
func (s *MemoryKeys) List(ctx context.Context, scope, alias string) ([]Key, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []Key
	for name, k := range s.keys {
		if name.scope == scope && (alias == "" || name.alias == alias) {
			k.Sealed = bytes.Clone(k.Sealed)
			all = append(all, k)
		}
	}
	return all, nil
}

// CountByKey counts the keys that are sealed under a data key.
func (s *MemoryKeys) CountByKey(ctx context.Context, key envelope.KeyID) (n uint64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		if id, ok := envelope.StoredKeyID(k.Sealed); ok && id == key {
			n++
		}
	}
	return n, nil
}
