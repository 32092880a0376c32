package tokenize

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/crypto/secret"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Repository is one scope of tokens.
type Repository struct {
	v      *Vault
	c      Config
	scope  store.ScopeID
	sealer *seal.Sealer
	index  *keys.Scope
	lookup atomic.Pointer[lookup]
	batch  sync.Pool // *batch
}

// lookup is the index key in use and what is computed under it.
type lookup struct {
	key       envelope.KeyID
	cards     *blindindex.Index // card number → index value
	digestKey *secret.Bytes     // of idempotency keys, unknown tokens, job inputs
}

// Labels of the index ring's subkeys. They are part of the format.
const (
	indexLabel  = "cardseal index"
	digestLabel = "cardseal digest"
)

func (v *Vault) repository(stored *store.Repository) (*Repository, error) {
	c, err := decodeConfig(stored.Config)
	if err != nil {
		return nil, damaged("stored configuration cannot be read")
	}
	r := &Repository{v: v, c: c, scope: stored.Scope, sealer: seal.New(v.keys, scopeText(stored.Scope))}
	r.batch.New = func() any { return new(batch) }
	if r.index, err = v.keys.Scope(keys.Index, scopeText(stored.Scope)); err != nil {
		return nil, wrap(err)
	}
	return r, nil
}

// Config is the repository's configuration.
func (r *Repository) Config() Config { return r.c }

// Scope is the repository's immutable scope ID as a UUID.
func (r *Repository) Scope() string { return scopeText(r.scope) }

func scopeText(id store.ScopeID) string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", id[0:4], id[4:6], id[6:8], id[8:10], id[10:16])
}

// keyed returns the index under the ring's active key, derived on first use. The
// index ring is not rotated while it serves, so it is derived once.
func (r *Repository) keyed(ctx context.Context) (*lookup, error) {
	if l := r.lookup.Load(); l != nil {
		return l, nil
	}
	id, err := r.index.ActiveKey(ctx)
	if err != nil {
		return nil, wrap(err)
	}
	l := &lookup{key: id}
	key, err := r.index.Subkey(ctx, id, indexLabel)
	if err != nil {
		return nil, wrap(err)
	}
	defer clear(key)
	if l.cards, err = blindindex.New(key, indexLabel); err != nil {
		return nil, wrap(err)
	}
	digest, err := r.index.Subkey(ctx, id, digestLabel)
	if err != nil {
		return nil, wrap(err)
	}
	defer clear(digest)
	l.digestKey = secret.New(digest)
	r.lookup.CompareAndSwap(nil, l)
	return r.lookup.Load(), nil
}

// of is the index value of a card number: all its digits, never truncated.
func (l *lookup) of(pan card.PAN) (v store.IndexValue) {
	var digits [card.MaxLen]byte
	v.Key = l.key
	l.cards.Append(v.Value[:0], pan.AppendDigits(digits[:0]))
	clear(digits[:])
	return v
}

// bins is what the vault's table knows of a number.
func (r *Repository) bins(pan card.PAN) card.BINDetails {
	d, _ := pan.BINDetails(r.v.o.BINTable)
	return d
}
