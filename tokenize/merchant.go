package tokenize

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/store"
)

// testMerchantPrefix begins the IDs of test merchants, as the gateways that have
// them demand. They use test twins and nothing else.
const testMerchantPrefix = "TEST"

// MerchantCache is how long a process goes on serving a merchant after the last
// look at where it belongs: a merchant that is moved is refused by its old
// repository at the latest that long afterwards.
const MerchantCache = time.Minute

// AssignMerchant says which repository a merchant uses. It belongs to one at a
// time, so that it leaves the one before; several merchants may share one. One
// whose ID begins with "TEST" is a test merchant: it uses a test twin (see
// [Options.TestKeys]), and nobody else does. An assignment that is there already is
// no error.
//
// A [Caller] with a Merchant may use that repository alone, and none before it is
// assigned. Other processes may serve a merchant in the repository that it has left
// for [MerchantCache].
func (v *Vault) AssignMerchant(ctx context.Context, merchant, repositoryID string) error {
	if !isMerchantID(merchant) {
		return invalid("merchant", Invalid, "must be 1 to 40 of 0-9 a-z A-Z - _")
	}
	r, err := v.Repository(ctx, repositoryID)
	if err != nil {
		return err
	}
	e := audit.Event{Action: audit.Assign, Outcome: audit.Done, Repository: r.c.ID, Merchant: merchant}
	if isTestMerchant(merchant) != r.isTwin() {
		err = &Error{Cause: RequestRejected, Field: "merchant", Kind: Invalid, SupportCode: "TEST_MERCHANT",
			Explanation: "merchants whose IDs begin with TEST use test twins, and no others do"}
	} else {
		err = v.assign(ctx, merchant, r.scope, &e)
	}
	if err != nil {
		e = failed(e, err)
	}
	if aerr := v.record(ctx, e); aerr != nil && err == nil {
		return aerr
	}
	return err
}

func (v *Vault) assign(ctx context.Context, merchant string, scope store.ScopeID, e *audit.Event) error {
	switch now, err := v.cards.MerchantScope(ctx, merchant); {
	case err == nil && now == scope:
		e.Outcome = audit.Unchanged
		return nil
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return wrap(err)
	}
	if err := v.cards.AssignMerchant(ctx, merchant, scope); err != nil {
		return wrap(err)
	}
	v.merchants.forget(merchant)
	return nil
}

// MerchantRepository returns the repository that a merchant is assigned to.
func (v *Vault) MerchantRepository(ctx context.Context, merchant string) (*Repository, error) {
	if !isMerchantID(merchant) {
		return nil, unassigned()
	}
	scope, err := v.cards.MerchantScope(ctx, merchant)
	if errors.Is(err, store.ErrNotFound) {
		return nil, unassigned()
	}
	if err != nil {
		return nil, wrap(err)
	}
	return v.RepositoryByScope(ctx, scope.String())
}

func isTestMerchant(id string) bool { return strings.HasPrefix(id, testMerchantPrefix) }

func unassigned() error { return rejected("merchant", "MERCHANT", ErrMerchant) }

// Admit reports, as calls do, whether a caller may use the repository and has the
// permissions, for work that is to fail before it begins: [ErrPermission],
// [ErrMerchant].
func (r *Repository) Admit(ctx context.Context, c Caller, need Permission) error {
	return r.admit(ctx, &c, need, time.Now())
}

// admit lets a caller in that is well formed, has the permission and, if it names a
// merchant, one that belongs to the repository. A positive answer is remembered, so
// that a save costs no extra round trip.
func (r *Repository) admit(ctx context.Context, c *Caller, need Permission, now time.Time) error {
	if err := c.may(need); err != nil {
		return err
	}
	if c.Merchant == "" || r.v.merchants.known(c.Merchant, r.scope, now) {
		return nil
	}
	scope, err := r.v.cards.MerchantScope(ctx, c.Merchant)
	if errors.Is(err, store.ErrNotFound) {
		return unassigned()
	}
	if err != nil {
		return wrap(err)
	}
	if scope != r.scope || isTestMerchant(c.Merchant) != r.isTwin() {
		return unassigned()
	}
	r.v.merchants.learn(c.Merchant, scope, now)
	return nil
}

// merchants remembers where merchants belong.
type merchants struct {
	last atomic.Pointer[assignment] // often the same merchant saves again
	mu   sync.RWMutex
	all  map[string]*assignment
}

type assignment struct {
	merchant string
	scope    store.ScopeID
	asked    time.Time
}

// maxMerchants bounds what is remembered.
const maxMerchants = 100_000

func (a *assignment) holds(merchant string, scope store.ScopeID, now time.Time) bool {
	return a != nil && a.merchant == merchant && a.scope == scope && now.Sub(a.asked) < MerchantCache
}

func (m *merchants) known(merchant string, scope store.ScopeID, now time.Time) bool {
	if m.last.Load().holds(merchant, scope, now) {
		return true
	}
	m.mu.RLock()
	a := m.all[merchant]
	m.mu.RUnlock()
	if !a.holds(merchant, scope, now) {
		return false
	}
	m.last.Store(a)
	return true
}

// learn takes note of an answer to a question that was put no earlier than asked.
func (m *merchants) learn(merchant string, scope store.ScopeID, asked time.Time) {
	a := &assignment{merchant, scope, asked}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.all == nil || len(m.all) >= maxMerchants {
		m.all = map[string]*assignment{}
	}
	m.all[merchant] = a
	m.last.Store(a)
}

func (m *merchants) forget(merchant string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.all, merchant)
	m.last.Store(nil)
}
