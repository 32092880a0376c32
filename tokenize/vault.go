package tokenize

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Options tunes a [Vault]. The zero value is safe.
type Options struct {
	// AllowDevelopmentKEK accepts a KEK that is not fit for production, such as a
	// local key file (PCI DSS 3.6.1.2).
	AllowDevelopmentKEK bool
	// Audit receives an event for every save, update, change of state and reveal. A
	// reveal whose event cannot be recorded gives nothing out.
	Audit audit.Sink
	// TestKeys keeps the cards of test twins apart. Every repository has a twin,
	// whose ID is "Test" and its ID, with the same configuration and a scope of its
	// own; it is made when it is first asked for. It serves test merchants (see
	// [Vault.AssignMerchant]) and callers without a merchant. The manager's
	// environment must be "test"; nil: there are no twins.
	TestKeys *keys.Manager
	// IssuerCodes keeps the security codes of repositories whose configuration has
	// IssuerCodes. Without it none can be made, and of those that are there no token
	// can be deleted and no data key counted: codes would be left behind unseen.
	IssuerCodes store.Codes
	// CaptureKeys is where private capture keys are kept, sealed; without it no
	// repository takes encrypted cards. Take the card store's own, which has its fences:
	// in any other a process that was stopped for long may store one under a data key
	// that was destroyed meanwhile.
	CaptureKeys capture.KeyStore
	// BINTable stands in for the built-in brand table.
	BINTable card.BINTable
	// SaveLimit, where given, is asked before every save of a number; an error
	// refuses it as ServerBusy. It is where guessing through Save is slowed
	// down. It is called from many goroutines.
	SaveLimit func(ctx context.Context, c Caller, bin, lastFour string) error
	// Verifier is asked where verification is [Acquirer]. Without one a repository
	// cannot be configured so, and a request that asks for it is refused.
	Verifier Verifier
	// TokenService carries out actions on scheme tokens; without one there are none.
	TokenService TokenService
	// ServiceTimeout is how long is waited for room for a call of Verifier or
	// TokenService, and then for its answer. 0 is 30 seconds.
	ServiceTimeout time.Duration
	// ServiceCalls is how many such calls this vault makes at once, at most, over
	// all its repositories and callers. 0 is 32.
	ServiceCalls int
}

// Vault holds the repositories of one card store.
type Vault struct {
	cards store.Cards
	keys  *keys.Manager
	o     Options

	merchants merchants
	services  *services
	keepers   sync.Map // of store.ScopeID: CodeKeeper

	fence  atomic.Pointer[envelope.KeyID] // the fence opened last
	mu     sync.Mutex
	fences map[envelope.KeyID]bool // fences this process opened
}

// Open returns a vault over a card store and a key manager. The manager must
// keep its keys in a store ([keys.Open]): inline keys cannot be retired. A KEK
// for development is refused unless the options allow it.
func Open(ctx context.Context, cards store.Cards, m *keys.Manager, o *Options) (*Vault, error) {
	if cards == nil || m == nil {
		return nil, invalid("vault", Missing, "needs a card store and a key manager")
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	v := &Vault{cards: cards, keys: m, fences: map[envelope.KeyID]bool{}}
	if o != nil {
		v.o = *o
	}
	var err error
	if v.services, err = newServices(&v.o); err != nil {
		return nil, err
	}
	if err := v.checkKeys("keys", "kek", m); err != nil {
		return nil, err
	}
	if t := v.o.TestKeys; t != nil {
		if t.Environment() != testEnvironment || m.Environment() == testEnvironment {
			return nil, invalid("testKeys", Invalid, `must be of the environment "test", and the others of another`)
		}
		if err := v.checkKeys("testKeys", "testKEK", t); err != nil {
			return nil, err
		}
	}
	return v, nil
}

// checkKeys refuses keys that a repository cannot rely on.
func (v *Vault) checkKeys(keysField, kekField string, m *keys.Manager) error {
	if !m.Stored() {
		return invalid(keysField, Unsupported, "a repository needs a key manager with a key store")
	}
	for _, k := range m.KEKs() {
		if d, ok := k.(keys.Development); ok && !v.o.AllowDevelopmentKEK {
			return &Error{Cause: RequestRejected, Field: kekField, Kind: Unsupported,
				SupportCode: "DEVELOPMENT_KEK", Explanation: "is for development only: " + d.Development()}
		}
	}
	return nil
}

// EnsureRepository returns the repository of that ID, made if there is none. A
// configuration that differs from the stored one is refused as [ErrConfig].
func (v *Vault) EnsureRepository(ctx context.Context, c Config) (*Repository, error) {
	c, err := c.filled()
	if err != nil {
		return nil, err
	}
	if c.Verification == Acquirer && v.o.Verifier == nil {
		return nil, errNoVerifier()
	}
	if c.IssuerCodes && v.o.IssuerCodes == nil {
		return nil, noCodeStore("issuerCodes")
	}
	encoded, err := c.encode()
	if err != nil {
		return nil, wrap(err)
	}
	stored, err := v.find(ctx, c.ID)
	if err != nil {
		return nil, err
	}
	if stored == nil {
		got, err := v.create(ctx, store.Repository{Scope: newScopeID(), Name: c.ID, Config: encoded}, c.IssuerCodes)
		if err != nil {
			return nil, err
		}
		stored = &got
	}
	if !bytes.Equal(stored.Config, encoded) {
		return nil, rejected("repository", "CONFIG", ErrConfig)
	}
	return v.repository(stored)
}

// create stores a repository, or returns the one that has its name by now.
func (v *Vault) create(ctx context.Context, made store.Repository, issuerCodes bool) (store.Repository, error) {
	got, err := v.cards.CreateRepository(ctx, made)
	if err != nil {
		return got, wrap(err)
	}
	if got.Scope != made.Scope {
		return got, nil
	}
	events := []audit.Event{{Action: audit.Create, Outcome: audit.Created, Repository: made.Name}}
	if issuerCodes {
		events = append(events, audit.Event{Action: audit.AllowIssuerCodes, Outcome: audit.Done, Repository: made.Name})
	}
	return got, v.record(ctx, events...)
}

// Repository returns the repository of that ID, which must exist, or a test twin of
// one that does.
func (v *Vault) Repository(ctx context.Context, id string) (*Repository, error) {
	stored, err := v.find(ctx, id)
	if err == nil && stored == nil {
		stored, err = v.twin(ctx, id)
	}
	if err != nil {
		return nil, err
	}
	if stored == nil {
		return nil, noRepository("repository")
	}
	return v.repository(stored)
}

// RepositoryByScope returns the repository, or test twin, of a token scope: a UUID
// as [Repository.Scope] gives it.
func (v *Vault) RepositoryByScope(ctx context.Context, uuid string) (*Repository, error) {
	all, err := v.cards.Repositories(ctx)
	if err != nil {
		return nil, wrap(err)
	}
	for i := range all {
		if strings.EqualFold(all[i].Scope.String(), uuid) {
			return v.repository(&all[i])
		}
	}
	return nil, noRepository("scope")
}

func noRepository(field string) error {
	return &Error{Cause: InvalidRequest, Field: field, Kind: Invalid, Explanation: "does not exist", err: store.ErrNotFound}
}

// Repositories lists the configurations of all repositories by ID, with those of
// the test twins that were used.
func (v *Vault) Repositories(ctx context.Context) ([]Config, error) {
	all, err := v.cards.Repositories(ctx)
	if err != nil {
		return nil, wrap(err)
	}
	configs := make([]Config, len(all))
	for i := range all {
		if configs[i], err = decodeConfig(all[i].Config); err != nil {
			return nil, damaged("stored configuration cannot be read")
		}
	}
	return configs, nil
}

func (v *Vault) find(ctx context.Context, id string) (*store.Repository, error) {
	all, err := v.cards.Repositories(ctx)
	if err != nil {
		return nil, wrap(err)
	}
	for i := range all {
		if all[i].Name == id {
			return &all[i], nil
		}
	}
	return nil, nil
}

// record hands events to the sink.
func (v *Vault) record(ctx context.Context, events ...audit.Event) error {
	if v.o.Audit == nil || len(events) == 0 {
		return nil
	}
	now := time.Now().UTC()
	for i := range events {
		events[i].Time = now
	}
	if err := v.o.Audit.Record(ctx, events); err != nil {
		return &Error{Cause: ServerFailed, SupportCode: "AUDIT", Explanation: trim(ErrAudit),
			err: fmt.Errorf("%w: %w", ErrAudit, err)}
	}
	return nil
}

// newScopeID is a random UUID of version 4.
func newScopeID() (id store.ScopeID) {
	rand.Read(id[:])
	id[6] = id[6]&0x0f | 0x40
	id[8] = id[8]&0x3f | 0x80
	return id
}

func damaged(what string) *Error {
	return &Error{Cause: ServerFailed, SupportCode: "STORE_DAMAGED", Explanation: what, err: store.ErrCorrupt}
}
