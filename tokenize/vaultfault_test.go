package tokenize_test

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// service is a vault as one process has it open.
type service struct {
	keys  *keys.Manager
	vault *tokenize.Vault
	cards store.Cards
}

func serve(t *testing.T, k keys.Store, kek keys.KEK, c store.Cards) *service {
	t.Helper()
	m, err := keys.Open(t.Context(), k, kek, &keys.Options{Tries: 1})
	require.NoError(t, err)
	t.Cleanup(func() { m.Close() })
	v, err := tokenize.Open(t.Context(), c, m, nil)
	require.NoError(t, err)
	return &service{m, v, c}
}

// repo is the one repository there is.
func (s *service) repo(ctx context.Context) (*tokenize.Repository, error) {
	return s.vault.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueToken})
}

// years is what a vault does over the years: seal, open, rotate, move data keys to
// another version of their KEK, seal anew, destroy. Each step succeeds, or fails
// with the fault's kind, typed, and succeeds when made again. It returns which
// card each token must open to afterwards, and the key that was destroyed.
func (f *faults) years(t *testing.T, d db, k *keystest.KEK) (tokens map[string]int, doomed keys.KeyID) {
	tokens = map[string]int{}
	do := func(what string, step func() error) {
		t.Helper()
		err := step()
		if err == nil {
			return
		}
		kind := f.seen()
		require.Error(t, kind, "%s: %v, without a fault", what, err)
		require.ErrorIs(t, err, kind, what)
		require.NotContains(t, err.Error(), "400000000000", "a card number")
		require.NoError(t, step(), "%s, made again", what)
	}
	// vault is do for the vault's own calls, whose errors are of one type.
	vault := func(what string, step func() error) {
		t.Helper()
		do(what, func() error {
			err := step()
			if err != nil {
				var e *tokenize.Error
				require.ErrorAs(t, err, &e, what)
			}
			return err
		})
	}
	var p *service
	var r *tokenize.Repository
	start := func() {
		p = serve(t, &faultyKeys{d.Keys(), f}, f.kek(k), f.cards(d.Cards()))
		vault("repository", func() (err error) { r, err = p.repo(t.Context()); return err })
	}
	saves := 0
	save := func() (token string) {
		q := tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, saves), Holder: "A HOLDER"}}
		q.IdempotencyKey = q.Card.Number.LastFour()
		vault("seal", func() error {
			saved, err := r.Save(t.Context(), q)
			if token = saved.Token; err == nil {
				tokens[token] = saves
			}
			return err
		})
		saves++
		return token
	}
	open := func() {
		vault("open", func() error { return opensAll(t, r, tokens) })
	}
	start()
	first, second := save(), save()
	open()
	rows, err := d.Cards().Get(t.Context(), scopeID(t, r), []string{first})
	require.NoError(t, err)
	doomed, _ = envelope.StoredKeyID(rows[0].Sealed[0].Record)
	do("rotate", func() error { _, err := p.keys.Rotate(t.Context(), keys.PAN); return err })
	save()
	do("rewrap", func() error { _, err := p.keys.Rewrap(t.Context(), keys.PAN, nil); return err })
	require.NoError(t, p.keys.Close())

	start() // another process, which has nothing in memory
	open()
	vault("reseal", func() error {
		got, err := r.Reseal(t.Context(), tokenize.ResealOptions{Caller: me, Batch: 1})
		require.Equal(t, err == nil, got.Done)
		require.Zero(t, got.Left, "a fault is nobody's card's")
		return err
	})
	open()
	vault("delete", func() error { return r.Delete(t.Context(), me, second) })
	delete(tokens, second)
	time.Sleep(time.Hour)
	do("destroy", func() error {
		receipt, err := p.keys.Destroy(t.Context(), doomed, keys.DestroyOptions{CloseFence: p.cards.CloseFence, Census: p.vault.KeyInUse})
		if err == nil {
			require.Equal(t, doomed, receipt.Key)
			require.Zero(t, receipt.Records)
		}
		return err
	})
	save()
	open()
	require.NoError(t, p.keys.Close())
	return tokens, doomed
}

// opensAll reveals every token's card, which must be the right one.
func opensAll(t *testing.T, r *tokenize.Repository, tokens map[string]int) error {
	t.Helper()
	list := slices.Collect(maps.Keys(tokens))
	out, err := r.RevealBatch(t.Context(), me, list, "settlement")
	if err != nil {
		return err
	}
	for i := range out {
		if out[i].Err != nil {
			return out[i].Err
		}
		require.True(t, out[i].Card.Number.Equal(counted(t, tokens[list[i]])))
		require.Equal(t, "A HOLDER", out[i].Card.Holder)
	}
	return nil
}

// kmsKinds are what KMS calls fail with in turn.
var kmsKinds = []error{keys.ErrUnavailable, keys.ErrThrottled, keys.ErrDenied}

// sweepYears has every step-th call fail in a vault of its own, until a whole run
// goes by without.
func sweepYears(t *testing.T, late bool, step int, fresh func(t *testing.T) db) {
	for i, done := 1, false; !done; i += step {
		bubble(t, func(t *testing.T) { // it sees what goroutine stays behind
			f := &faults{failing: i, late: late, where: map[string]error{
				"kek": kmsKinds[i%len(kmsKinds)], "keys": keys.ErrUnavailable, "cards": store.ErrUnavailable, "commit": store.ErrUnavailable,
			}}
			if late {
				f.where["commit"] = store.ErrOutcomeUnknown
			}
			d, k := fresh(t), keystest.NewKEK("test")
			defer d.Close()
			tokens, doomed := f.years(t, d, k)
			done = f.seen() == nil
			calls := f.heal()

			p := serve(t, d.Keys(), k, d.Cards())
			defer p.keys.Close()
			r, err := p.repo(t.Context())
			require.NoError(t, err)
			require.NoError(t, opensAll(t, r, tokens))
			all := 0
			require.NoError(t, r.Each(t.Context(), me, "", func(tokenize.Details) bool { all++; return true }))
			require.Len(t, tokens, all, "a card was saved twice, or one was lost")
			active := 0
			records, err := p.keys.Records(t.Context(), keys.PAN)
			require.NoError(t, err)
			for _, rec := range records {
				if rec.State == keys.Active {
					active++
				}
				require.Equal(t, rec.ID == doomed, rec.State == keys.Destroyed)
			}
			require.Equal(t, 1, active)
			use, err := p.vault.KeyUse(t.Context(), doomed)
			require.NoError(t, err)
			require.Zero(t, use.Records)
			if done {
				require.Greater(t, calls, 50, "the sweep has lost its teeth")
				t.Logf("late %v: %d calls", late, calls)
			}
		})
		if t.Failed() {
			t.Fatalf("late %v, call %d", late, i)
		}
	}
}

// Each call to KMS, key store and card store fails in turn, over the life of a
// vault.
func TestEveryCallFailsOnce(t *testing.T) {
	for _, late := range []bool{false, true} {
		sweepYears(t, late, 1, func(*testing.T) db { return memory.New() })
	}
}

// The same in a file, where some calls fail.
func TestSomeCallsFailOnceInAFile(t *testing.T) {
	for _, late := range []bool{false, true} {
		sweepYears(t, late, 9, func(t *testing.T) db {
			d, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "vault.db"), &bolt.Options{Create: true})
			require.NoError(t, err)
			return d
		})
	}
}
