package cli

import (
	"context"
	"errors"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

// keyRing is a ring of the vault.
type keyRing struct {
	*keys.Scope
	repository string // whose own it is, "" where repositories share it
}

func (r *keyRing) purpose() keys.Purpose { return r.Ring().Purpose }

// ownPurposes are the rings that a repository with keys of its own has.
var ownPurposes = []keys.Purpose{keys.PAN, keys.CVC, keys.Index, keys.Analytics, keys.FPE}

// keyRings are the rings that are shared and those that are a repository's own, or
// that of one repository alone; p is "" for all purposes.
func keyRings(ctx context.Context, v *vaultdir.Vault, repository string, p keys.Purpose) (rings []keyRing, err error) {
	add := func(l keys.Layout, of []keys.Purpose, scope, repository string) error {
		for _, one := range of {
			if p != "" && one != p {
				continue
			}
			s, err := v.Keys.ScopeIn(l, one, scope)
			if err != nil {
				return err
			}
			rings = append(rings, keyRing{s, repository})
		}
		return nil
	}
	if repository == "" {
		if err := add(keys.Shared, purposes, "", ""); err != nil {
			return nil, err
		}
	}
	configs, err := v.Vault.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range configs {
		if !c.PerScopeKeys || repository != "" && c.ID != repository {
			continue
		}
		r, err := v.Vault.Repository(ctx, c.ID)
		if e, ok := errors.AsType[*tokenize.Error](err); ok && e.Kind == tokenize.Unsupported {
			continue // a test twin, whose keys are in another environment
		}
		if err != nil {
			return nil, err
		}
		if err := add(keys.PerScope, ownPurposes, r.Scope(), c.ID); err != nil {
			return nil, err
		}
	}
	if len(rings) == 0 {
		return nil, usagef("repository %s has no such keys of its own; see cardseal repo create --per-scope-keys", repository)
	}
	return rings, nil
}

// eachKey calls f for the data keys of rings, oldest first within one. Repository is
// as for keyRings, and as a ring has it.
func eachKey(ctx context.Context, v *vaultdir.Vault, repository string, f func(repository string, r *keys.Record) error) error {
	rings, err := keyRings(ctx, v, repository, "")
	if err != nil {
		return err
	}
	for i := range rings {
		records, err := rings[i].Records(ctx)
		if err != nil {
			return err
		}
		for k := range records {
			if err := f(rings[i].repository, &records[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// ofRepository is what a line of text says of a ring that is a repository's own.
func ofRepository(id string) string {
	if id == "" {
		return ""
	}
	return ", of repository " + id
}
