package tokenize

import (
	"context"
	"slices"
	"time"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// KeyUse is what needs a data key in a vault. It tells of all scopes and of test
// twins, but not of what lies elsewhere: lines of an audit chain, records that the
// embedder keeps, capture keys in a store that is not [Options.CaptureKeys].
type KeyUse struct {
	// Records is how many sealed values were sealed under the key, issuer codes
	// included. Without it they are lost.
	Records uint64
	// CaptureKeys is how many private capture keys are sealed under the key. Without
	// it messages to them do not open; [capture.Keyring.Reseal] moves them to another.
	CaptureKeys uint64
	// Repositories are the IDs of those that find their cards or remember idempotency
	// keys by the key, or make analytics or FF1 tokens under it. Without it they can
	// do nothing of the kind, for old cards or new ones.
	Repositories []string
}

// KeyUse says what needs a data key. bolt and memory read all rows to tell. It fails
// with [ErrNoCodeStore] where a repository has issuer codes and they cannot be counted.
func (v *Vault) KeyUse(ctx context.Context, id keys.KeyID) (KeyUse, error) {
	var use KeyUse
	all, err := v.cards.Repositories(ctx)
	if err != nil {
		return KeyUse{}, wrap(err)
	}
	now := time.Now()
	for i := range all {
		c, err := decodeConfig(all[i].Config)
		if err != nil {
			return KeyUse{}, damaged("stored configuration cannot be read")
		}
		if c.IssuerCodes && v.o.IssuerCodes == nil {
			return KeyUse{}, noCodeStore("key")
		}
		named, err := v.names(ctx, &all[i], id, now)
		if err != nil {
			return KeyUse{}, err
		}
		if named {
			use.Repositories = append(use.Repositories, all[i].Name)
		}
	}
	if use.Records, err = v.cards.CountByKey(ctx, id); err != nil {
		return KeyUse{}, wrap(err)
	}
	if v.o.IssuerCodes != nil {
		codes, err := v.o.IssuerCodes.CountCodes(ctx, id)
		if err != nil {
			return KeyUse{}, wrap(err)
		}
		use.Records += codes
	}
	if k := v.o.CaptureKeys; k != nil {
		if use.CaptureKeys, err = k.CountByKey(ctx, id); err != nil {
			return KeyUse{}, wrap(err)
		}
	}
	return use, nil
}

// CloseFence closes a data key's fence in the card store and in that of issuer codes:
// what [keys.DestroyOptions] asks for beside [Vault.KeyInUse].
func (v *Vault) CloseFence(ctx context.Context, id keys.KeyID) error {
	if err := v.cards.CloseFence(ctx, id); err != nil {
		return wrap(err)
	}
	if v.o.IssuerCodes != nil {
		if err := v.o.IssuerCodes.CloseFence(ctx, id); err != nil {
			return wrap(err)
		}
	}
	return nil
}

// KeyInUse is the census that [keys.DestroyOptions] asks for: how many sealed values
// and capture keys need a data key. It fails with [ErrKeyNamed] where a repository
// needs it, which keeps [keys.Manager.Destroy] from going on with Shred as well: not
// some cards would be lost, but the repository would stand still. Once the key's fence
// is closed ([Vault.CloseFence]) neither number nor names come to be more.
func (v *Vault) KeyInUse(ctx context.Context, id keys.KeyID) (uint64, error) {
	use, err := v.KeyUse(ctx, id)
	if err != nil {
		return 0, err
	}
	if len(use.Repositories) > 0 {
		return 0, rejected("key", "KEY_NAMED", ErrKeyNamed)
	}
	return use.Records + use.CaptureKeys, nil
}

// names reports whether a repository cannot do without a data key.
func (v *Vault) names(ctx context.Context, r *store.Repository, id keys.KeyID, now time.Time) (bool, error) {
	st, err := decodeState(r.State)
	if err != nil {
		return false, err
	}
	if st.empty() {
		under, err := v.indexedUnder(ctx, r.Scope)
		if err != nil {
			return false, wrap(err)
		}
		return under == id && !id.IsZero(), nil
	}
	return st.names(id, now), nil
}

// names reports whether the state names a data key that is still worked under. What
// was remembered under an earlier digest key is looked up until its time is over.
func (s *state) names(id keys.KeyID, now time.Time) bool {
	for _, pin := range s.pins {
		if pin == id {
			return true
		}
	}
	return slices.Contains(s.index, id) || id == s.digest ||
		id == s.earlier && now.UnixMilli() < s.earlierUntil
}

// indexedUnder is the index key of the first of a scope's rows that has one, or zero.
func (v *Vault) indexedUnder(ctx context.Context, scope store.ScopeID) (keys.KeyID, error) {
	for row, err := range v.cards.Scan(ctx, scope, "") {
		if err != nil {
			return keys.KeyID{}, err
		}
		if len(row.Index) > 0 {
			return row.Index[0].Key, nil
		}
	}
	return keys.KeyID{}, nil
}
