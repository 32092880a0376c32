package tokenize

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// Labels of the subkeys of pinned keys. They are part of the format.
const (
	analyticsLabel = "cardseal analytics"
	codeLabel      = "cardseal code card" // of the analytics key, for the same card must stay the same
	ff1Label       = "cardseal ff1"
)

// pinLife is how long a process uses what it computed under a pinned key before it
// asks the key manager again, which knows whether the key was disabled meanwhile.
const pinLife = time.Minute

// underPin is what is computed under a subkey of a pinned key.
type underPin[T any] struct{ at atomic.Pointer[pinnedAt[T]] }

type pinnedAt[T any] struct {
	v     *T
	until time.Time
}

func (u *underPin[T]) get(ctx context.Context, r *Repository, now time.Time, p keys.Purpose, label string, from func(key []byte) (*T, error)) (*T, error) {
	if at := u.at.Load(); at != nil && now.Before(at.until) {
		return at.v, nil
	}
	id, err := r.pinned(ctx, p)
	if err != nil {
		return nil, err
	}
	ring, err := r.ring(p)
	if err != nil {
		return nil, err
	}
	key, err := ring.Subkey(ctx, id, label)
	if err != nil {
		return nil, wrap(err)
	}
	defer clear(key)
	v, err := from(key)
	if err != nil {
		return nil, wrap(err)
	}
	u.at.Store(&pinnedAt[T]{v, now.Add(pinLife)})
	return v, nil
}

// analyticsIndex makes the repository's analytics tokens.
func (r *Repository) analyticsIndex(ctx context.Context, now time.Time) (*blindindex.Index, error) {
	return r.analytics.get(ctx, r, now, keys.Analytics, analyticsLabel, func(key []byte) (*blindindex.Index, error) {
		return blindindex.New(key, analyticsLabel)
	})
}

// ff1 makes and opens the repository's FF1 tokens, under the one key that it will
// ever have: under a second one every token would silently be another number.
func (r *Repository) ff1(ctx context.Context, now time.Time) (*generate.Vaultless, error) {
	return r.vaultless.get(ctx, r, now, keys.FPE, ff1Label, func(key []byte) (*generate.Vaultless, error) {
		return generate.NewVaultless(key, r.keys.Environment(), r.scope.String())
	})
}

// ParsePinnedKeys reads from a repository's stored state ([store.Repository]) which
// data keys it keeps for good, by purpose. They must not be destroyed: analytics
// tokens would change, and FF1 tokens could neither be made nor opened.
func ParsePinnedKeys(stored []byte) (map[keys.Purpose]keys.KeyID, error) {
	s, err := decodeState(stored)
	if err != nil {
		return nil, err
	}
	return maps.Clone(s.pins), nil
}
