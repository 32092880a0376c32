package capture

import (
	"bytes"
	"context"
	"sync"
	"time"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
)

// KeyID names a key pair.
type KeyID = cryptocapture.KeyID

// Key is a key pair as a store keeps it. Nothing in it is secret in clear.
type Key struct {
	Scope   string
	Alias   string
	ID      KeyID
	Created time.Time // whole seconds
	Retires time.Time // whole seconds; nothing opens from then on
	Sealed  []byte    // the private key
}

// KeyStore is where capture keys live. capturetest holds what every store must
// do.
type KeyStore interface {
	// Put stores a key in place of the one with the same scope, alias and ID whose
	// Sealed is was, or where was is nil, as a key that is not there yet. Otherwise
	// it is ErrChanged, decided at once with the write. It does not keep k.Sealed.
	Put(ctx context.Context, k Key, was []byte) error
	// Get returns a key, or ErrNoKey.
	Get(ctx context.Context, scope, alias string, id KeyID) (Key, error)
	// List returns the keys of an alias, or of all aliases of the scope where alias
	// is empty, retired ones included, in any order.
	List(ctx context.Context, scope, alias string) ([]Key, error)
}

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

// Put stores a key, or returns [ErrChanged].
func (s *MemoryKeys) Put(ctx context.Context, k Key, was []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	k.Sealed = bytes.Clone(k.Sealed)
	s.mu.Lock()
	defer s.mu.Unlock()
	name := keyName{k.Scope, k.Alias, k.ID}
	if old, ok := s.keys[name]; ok != (was != nil) || !bytes.Equal(old.Sealed, was) {
		return ErrChanged
	}
	if s.keys == nil {
		s.keys = map[keyName]Key{}
	}
	s.keys[name] = k
	return nil
}

// Get returns a key, or [ErrNoKey].
func (s *MemoryKeys) Get(ctx context.Context, scope, alias string, id KeyID) (Key, error) {
	if err := ctx.Err(); err != nil {
		return Key{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.keys[keyName{scope, alias, id}]
	if !ok {
		return Key{}, ErrNoKey
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
