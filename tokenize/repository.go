package tokenize

import (
	"sync"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Repository is one scope of tokens.
type Repository struct {
	v       *Vault
	c       Config
	scope   store.ScopeID
	keys    *keys.Manager
	sealer  *seal.Sealer
	index   *keys.Scope
	capture *capture.Keyring // nil: there is none
	at      atomic.Pointer[standing]
	batch   sync.Pool   // *batch
	met     atomic.Bool // the last batch met cards that had a token

	analytics underPin[blindindex.Index]
	vaultless underPin[generate.Vaultless]
	codeCards underPin[blindindex.Index]
	crowds    crowds
}

func (v *Vault) repository(stored *store.Repository) (*Repository, error) {
	c, err := decodeConfig(stored.Config)
	if err != nil {
		return nil, damaged("stored configuration cannot be read")
	}
	m, err := v.keysFor(c.ID)
	if err != nil {
		return nil, err
	}
	r := &Repository{v: v, c: c, scope: stored.Scope, keys: m, sealer: seal.NewIn(c.layout(), m, stored.Scope.String())}
	r.batch.New = func() any { return new(batch) }
	at, err := standingOf(stored)
	if err != nil {
		return nil, err
	}
	r.at.Store(at)
	if r.index, err = r.ring(keys.Index); err != nil {
		return nil, err
	}
	if v.o.CaptureKeys != nil {
		if r.capture, err = capture.New(m, stored.Scope.String(), v.o.CaptureKeys); err != nil {
			return nil, wrap(err)
		}
	}
	return r, nil
}

// Config is the repository's configuration.
func (r *Repository) Config() Config { return r.c }

// Scope is the repository's immutable scope ID as a UUID.
func (r *Repository) Scope() string { return r.scope.String() }

// ring is the repository's handle on its data keys of a purpose.
func (r *Repository) ring(p keys.Purpose) (*keys.Scope, error) {
	s, err := r.keys.ScopeIn(r.c.layout(), p, r.scope.String())
	if err != nil {
		return nil, wrap(err)
	}
	return s, nil
}

// bins is what the vault's table knows of a number.
func (r *Repository) bins(pan card.PAN) card.BINDetails {
	d, _ := pan.BINDetails(r.v.o.BINTable)
	return d
}
