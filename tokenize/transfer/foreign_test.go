package transfer_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// foreign is a vault of another make: AES-256-GCM over JSON, with the token as
// additional data.
type foreign struct {
	aead cipher.AEAD
	mu   sync.Mutex
	// calls are counted; the one numbered at fails with err.
	calls, at int
	err       error
	most, now int // openings at once
	hold      chan struct{}
}

type foreignCard struct{ PAN, Holder string }

var foreignKey = []byte("a key of a vault that is foreign")

func newForeign() *foreign {
	block, err := aes.NewCipher(foreignKey)
	if err != nil {
		panic(err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return &foreign{aead: aead, err: errForeignKMS}
}

func (f *foreign) seal(token, pan string) []byte {
	text, err := json.Marshal(foreignCard{pan, "HOLDER"})
	if err != nil {
		panic(err)
	}
	return f.aead.Seal(nil, nil, text, []byte(token))
}

var errForeignKMS = errors.New("foreign KMS is away, it was about " + canary)

func (f *foreign) Open(ctx context.Context, r *transfer.Record) (card.Details, error) {
	f.mu.Lock()
	f.calls++
	f.now++
	f.most = max(f.most, f.now)
	down, hold := f.calls == f.at, f.hold
	f.mu.Unlock()
	defer func() { f.mu.Lock(); f.now--; f.mu.Unlock() }()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return card.Details{}, ctx.Err()
		}
	}
	if down {
		return card.Details{}, f.err
	}
	text, err := f.aead.Open(nil, nil, r.Sealed, r.Bound)
	if err != nil {
		return card.Details{}, transfer.ErrOpen
	}
	var c foreignCard
	if err := json.Unmarshal(text, &c); err != nil {
		return card.Details{}, fmt.Errorf("%w: %q", transfer.ErrOpen, text)
	}
	pan, err := card.ParsePAN(c.PAN)
	return card.Details{Number: pan, Holder: c.Holder}, err
}

// record is record n of the vault.
func (f *foreign) record(n int, pan string) transfer.Record {
	token := fmt.Sprintf("old%d", n)
	return transfer.Record{Position: row(n), Sealed: f.seal(token, pan), Bound: []byte(token), Token: token}
}
