package capture

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
)

// Published is a public key as clients get it, made to be served as JSON. It is
// derived from the private key whenever it is asked for: whoever can write the
// store cannot have clients encrypt to a key of his own.
type Published struct {
	Alias string `json:"alias"`
	KeyID string `json:"kid"` // as KeyID.String writes it
	Suite string `json:"suite"`
	// Key is the key in base64url, as crypto/capture's PublicKey.Bytes has it.
	Key string `json:"key"`
	// Info is HPKE's info for messages to this key, in base64url.
	Info string `json:"info,omitempty"`
	// JWK is the key of a JWE suite (RFC 7517).
	JWK     json.RawMessage `json:"jwk,omitempty"`
	Created time.Time       `json:"created"`
	Retires time.Time       `json:"retires"`
}

// Published returns the keys of an alias that open messages, newest first: a
// client takes the first. Keys made in one second are in no order of age, but in
// the same order everywhere. There may be none. Keys that do not unseal are left out
// and named by a [DamagedError], beside which the others are returned.
func (r *Keyring) Published(ctx context.Context, alias string) ([]Published, error) {
	if !validAlias(alias) {
		return nil, nil
	}
	now := time.Now()
	return r.published(ctx, alias, func(k *Key) bool { return now.Before(k.Retires) })
}

// All returns the keys of all aliases, retired ones included, by alias and then as
// Published does, for those who look after them, and the same error. Clients get
// [Keyring.Published].
func (r *Keyring) All(ctx context.Context) ([]Published, error) {
	return r.published(ctx, "", func(*Key) bool { return true })
}

func (r *Keyring) published(ctx context.Context, alias string, wanted func(*Key) bool) ([]Published, error) {
	rows, err := r.store.List(ctx, r.scope, alias)
	if err != nil {
		return nil, fmt.Errorf("capture: key store: %w", err)
	}
	var all []Published
	var lost DamagedError
	for _, row := range rows {
		if !wanted(&row) {
			continue
		}
		if row.Scope = r.scope; alias != "" {
			row.Alias = alias
		}
		k, err := r.unseal(ctx, &row)
		if err != nil {
			if err := lost.add(ctx, row.ID, err); err != nil {
				return nil, err
			}
			continue
		}
		p, err := r.publish(row, k)
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b Published) int {
		return cmp.Or(cmp.Compare(a.Alias, b.Alias), b.Created.Compare(a.Created), b.Retires.Compare(a.Retires),
			cmp.Compare(a.KeyID, b.KeyID)) // which stores list in any order
	})
	return all, lost.orNil()
}

func (r *Keyring) publish(row Key, k *openKey) (Published, error) {
	public, b64 := k.private.Public(), base64.RawURLEncoding.EncodeToString
	p := Published{
		Alias: row.Alias, KeyID: row.ID.String(), Suite: public.Suite().String(), Key: b64(public.Bytes()),
		JWK: public.JWK(), Created: row.Created.UTC(), Retires: row.Retires.UTC(),
	}
	if p.JWK == nil {
		info, err := public.Info(r.binding(row.Alias))
		if err != nil {
			return Published{}, err
		}
		p.Info = b64(info)
	}
	return p, nil
}

func (r *Keyring) binding(alias string) cryptocapture.Binding {
	return cryptocapture.Binding{Environment: r.environment, Scope: r.scope, Alias: alias}
}
