package tokenize

import (
	"context"
	"strings"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// testEnvironment is the environment of the keys under which test twins keep their
// cards: nothing that one of them sealed opens elsewhere.
const testEnvironment = "test"

// isTwin reports the test twin of a repository.
func (r *Repository) isTwin() bool { return strings.HasPrefix(r.c.ID, testPrefix) }

// twinOf is what is stored of a repository's test twin: the same configuration
// under another ID, and a scope of its own.
func twinOf(parent *store.Repository) (r store.Repository, issuerCodes bool, err error) {
	c, err := decodeConfig(parent.Config)
	if err != nil {
		return r, false, damaged("stored configuration cannot be read")
	}
	c.ID = testPrefix + c.ID
	encoded, err := c.encode()
	if err != nil {
		return r, false, wrap(err)
	}
	return store.Repository{Scope: newScopeID(), Name: c.ID, Config: encoded}, c.IssuerCodes, nil
}

// twin returns the test twin of that ID, made on first use, or nil where there is
// no repository of which it would be the twin. Of two that make it at once one is
// told of the other's, so that there is nothing to be left half done.
func (v *Vault) twin(ctx context.Context, id string) (*store.Repository, error) {
	name, ok := strings.CutPrefix(id, testPrefix)
	if !ok || strings.HasPrefix(name, testPrefix) {
		return nil, nil
	}
	parent, err := v.find(ctx, name)
	if err != nil || parent == nil {
		return nil, err
	}
	if v.o.TestKeys == nil {
		return nil, noTestKeys()
	}
	made, issuerCodes, err := twinOf(parent)
	if err != nil {
		return nil, err
	}
	stored, err := v.create(ctx, made, issuerCodes)
	return &stored, err
}

func noTestKeys() error {
	return invalid("repository", Unsupported, "is a test twin, and the vault was opened without test keys")
}

// keysFor are the keys under which a repository keeps its cards.
func (v *Vault) keysFor(id string) (*keys.Manager, error) {
	if !strings.HasPrefix(id, testPrefix) {
		return v.keys, nil
	}
	if v.o.TestKeys == nil {
		return nil, noTestKeys()
	}
	return v.o.TestKeys, nil
}
