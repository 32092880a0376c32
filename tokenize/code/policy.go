package code

import (
	"context"
	"encoding/hex"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Policy says where the codes of a repository are kept, and for how long: a
// [*Transient], or [Issuer].
type Policy interface {
	keep(r *tokenize.Repository) (*kept, error)
}

// Issuer keeps codes in [tokenize.Options].IssuerCodes until their token is deleted or
// given another card number, or another code takes their place. The repository's configuration must have
// IssuerCodes.
type Issuer struct{}

func (Issuer) keep(r *tokenize.Repository) (*kept, error) {
	a := r.CodeAccess()
	switch {
	case !r.Config().IssuerCodes:
		return nil, invalid("policy", tokenize.Unsupported, "the repository was not made to keep security codes as their issuer")
	case a.IssuerCodes() == nil:
		return nil, a.Rejected("policy", "NO_CODE_STORE", tokenize.ErrNoCodeStore)
	}
	return &kept{
		store: a.IssuerCodes(), scope: a.Scope(), sealer: a.Sealer(),
		fences: &fences{store: a.IssuerCodes()},
	}, nil
}

// kept is where the codes of a repository are kept.
type kept struct {
	store  store.Codes
	scope  store.ScopeID
	sealer *seal.Sealer
	fences *fences
	owners bool          // codes have owners, and an end
	ttl    time.Duration // likewise
	reads  uint32        // 0: as often as is asked
}

// bound is what a sealed code is bound to beside its scope: to be another code's, or
// to live longer, it would have to be sealed anew. It is part of the format.
func bound(c *store.Code) seal.Binding {
	owner := make([]byte, 0, 192)
	owner = append(strconv.AppendUint(owner, uint64(c.ID.OwnerType), 10), ':')
	owner = append(hex.AppendEncode(owner, c.ID.Card[:]), ':')
	owner = append(strconv.AppendInt(owner, c.Expires, 10), ':')
	return seal.Binding{Record: c.RecordID, Owner: string(append(owner, c.ID.Owner...))}
}

func (k *kept) open(ctx context.Context, c *store.Code) (card.CVC, error) {
	b := bound(c)
	return k.sealer.OpenCVC(ctx, c.Record, &b)
}

// fresh is a code as it is to be put.
func (k *kept) fresh(ctx context.Context, id store.CodeID, token string, code card.CVC, now time.Time) (store.Code, error) {
	c := store.Code{ID: id, RecordID: seal.NewRecordID(), Token: token, Created: now.UnixMilli(), Reads: k.reads}
	if k.ttl > 0 {
		c.Expires = now.Add(k.ttl).UnixMilli()
	}
	b := bound(&c)
	var err error
	c.Record, err = k.sealer.SealCVC(ctx, make([]byte, 0, seal.CVCSize), code, &b)
	return c, err
}

// maxFenced is how often a write is made anew because a data key is closed for
// writing: as in package tokenize.
const maxFenced = 3

// written makes a write with sealed codes, and once more under another key where the
// one they were sealed under is closed.
func (k *kept) written(write func() error) error {
	for try := 1; ; try++ {
		err := write()
		if try == maxFenced || !errors.Is(err, store.ErrFenced) {
			return err
		}
		k.fences.forget()
		k.sealer.Refresh()
	}
}

// fences remembers which data keys' fences this process opened.
type fences struct {
	store store.Codes
	mu    sync.Mutex
	open  map[envelope.KeyID]bool
}

// cross makes sure that the key of a sealed code has a fence.
func (f *fences) cross(ctx context.Context, record []byte) error {
	id, _ := envelope.StoredKeyID(record)
	f.mu.Lock()
	open := f.open[id]
	f.mu.Unlock()
	if open {
		return nil
	}
	if err := f.store.OpenFence(ctx, id); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open == nil {
		f.open = map[envelope.KeyID]bool{}
	}
	f.open[id] = true
	return nil
}

func (f *fences) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.open)
}
