package capture

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"time"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Suite is what a key encrypts with.
type Suite = cryptocapture.Suite

// The suites; see crypto/capture.
const (
	HPKEP256   = cryptocapture.HPKEP256
	HPKEX25519 = cryptocapture.HPKEX25519
	HPKEXWing  = cryptocapture.HPKEXWing
	JWERSA     = cryptocapture.JWERSA
	JWEECDH    = cryptocapture.JWEECDH
)

const (
	// MaxLife is the longest a key opens messages: two years (NIST SP 800-57 part 1,
	// 5.3.6, private key-transport and key-agreement keys).
	MaxLife = 2 * 365 * 24 * time.Hour
	// maxAlias is the longest alias in bytes.
	maxAlias = 64
)

// Keyring holds the capture keys of one scope.
type Keyring struct {
	environment, scope string
	sealer             *keys.Scope
	store              KeyStore
}

// New returns the keyring of a scope: text of 1 to 255 bytes of UTF-8, bound
// byte for byte. It makes no call.
func New(m *keys.Manager, scope string, s KeyStore) (*Keyring, error) {
	if s == nil {
		return nil, &ArgumentError{Field: "store", Reason: "must not be nil"}
	}
	if scope == "" { // which keys.Manager serves, and no store of capture keys does
		return nil, &ArgumentError{Field: "scope", Reason: "must be 1 to 255 bytes of UTF-8"}
	}
	sealer, err := m.Scope(keys.Capture, scope)
	if err != nil {
		return nil, err
	}
	return &Keyring{m.Environment(), scope, sealer, s}, nil
}

// Generate makes a key pair under an alias (1 to 64 of A-Z, a-z, 0-9 and . _ -),
// stores it and returns what to publish. It opens messages for life, at most
// [MaxLife], counted in whole seconds. Earlier keys of the alias live on.
func (r *Keyring) Generate(ctx context.Context, alias string, s Suite, life time.Duration) (Published, error) {
	if !validAlias(alias) {
		return Published{}, &ArgumentError{Field: "alias", Reason: "must be 1 to 64 of A-Z, a-z, 0-9, '.', '_', '-'"}
	}
	if life < time.Second || life > MaxLife {
		return Published{}, &ArgumentError{Field: "life", Reason: "must be one second to two years"}
	}
	private, err := cryptocapture.Generate(s)
	if err != nil {
		return Published{}, err
	}
	now := time.Now().UTC().Truncate(time.Second)
	row := Key{Scope: r.scope, Alias: alias, ID: private.ID(), Created: now, Retires: now.Add(life.Truncate(time.Second))}
	k := &openKey{private: private}
	rand.Read(k.digest[:])
	if err := r.put(ctx, row, k, nil); err != nil {
		return Published{}, err
	}
	return r.publish(row, k)
}

// openKey is what a row's sealed bytes hold.
type openKey struct {
	digest  [cryptocapture.DigestSize]byte // the key of replay digests
	private *cryptocapture.PrivateKey
}

// sealedVersion is the first byte of what is sealed; the digest key and the
// private key's own form follow.
const sealedVersion = 0x01

// field is the number of a capture key in the records of its ring.
const field = 1

// additional binds a sealed key to its row: its ID is the record's, and alias and
// times are pairs. Environment, scope and purpose enter through the derivation.
func additional(row *Key) *envelope.Additional {
	return &envelope.Additional{
		Field: field, Record: envelope.RecordID(row.ID),
		Pairs: []envelope.Pair{
			{Name: "alias", Value: row.Alias},
			{Name: "created", Value: strconv.FormatInt(row.Created.Unix(), 10)},
			{Name: "retires", Value: strconv.FormatInt(row.Retires.Unix(), 10)},
		},
	}
}

// put seals a key and stores it in place of what was sealed before; once more where
// the data key was closed for writing, which is one that was rotated meanwhile.
func (r *Keyring) put(ctx context.Context, row Key, k *openKey, was []byte) error {
	plain, err := k.private.Append(append([]byte{sealedVersion}, k.digest[:]...))
	if err != nil {
		return err
	}
	defer clear(plain)
	for range 2 {
		if row.Sealed, err = r.sealer.Seal(ctx, nil, plain, additional(&row)); err != nil {
			return err
		}
		if err = r.store.Put(ctx, row, was); !errors.Is(err, store.ErrFenced) {
			break
		}
		r.sealer.Refresh()
	}
	if err != nil {
		return fmt.Errorf("capture: key store: %w", err)
	}
	return nil
}

// get reads a key and unseals it.
func (r *Keyring) get(ctx context.Context, alias string, id KeyID) (Key, *openKey, error) {
	row, err := r.store.Get(ctx, r.scope, alias, id)
	if errors.Is(err, store.ErrNotFound) {
		return Key{}, nil, ErrNoKey
	}
	if err != nil {
		return Key{}, nil, fmt.Errorf("capture: key store: %w", err)
	}
	row.Scope, row.Alias, row.ID = r.scope, alias, id // what was asked for is what must open
	k, err := r.unseal(ctx, &row)
	return row, k, err
}

// unseal opens a row's private key. A key that does not unseal is the vault's
// fault, not the sender's, and the error none of ErrOpen's.
func (r *Keyring) unseal(ctx context.Context, row *Key) (*openKey, error) {
	plain, err := r.sealer.Open(ctx, nil, row.Sealed, additional(row))
	if err != nil {
		return nil, fmt.Errorf("capture: key %s: %w", row.ID, err)
	}
	defer clear(plain)
	k := new(openKey)
	head := 1 + copy(k.digest[:], plain[min(1, len(plain)):])
	if head != 1+len(k.digest) || plain[0] != sealedVersion {
		return nil, fmt.Errorf("capture: key %s: unknown version", row.ID)
	}
	if k.private, err = cryptocapture.ParsePrivateKey(plain[head:]); err != nil {
		return nil, fmt.Errorf("capture: key %s: %w", row.ID, err)
	}
	return k, nil
}

func validAlias(s string) bool {
	if s == "" || len(s) > maxAlias {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}
