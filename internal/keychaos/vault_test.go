//go:build linux

package keychaos

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestMain(m *testing.M) { chaostest.Main(m, child) }

// child is what a process of its own does.
func child(ctx context.Context, p *plan) error {
	switch p.Do {
	case "decide":
		return decide(ctx, p)
	case "save":
		return saveMany(ctx, p)
	}
	return operate(ctx, p)
}

// me may do everything.
var me = tokenize.Caller{Owner: "keychaos", Permissions: tokenize.MayAll}

// plan is what a process is to do.
type plan struct {
	Do    string
	Dir   string        // of the key files and histories, and of the vault where it is bolt
	URL   string        // of the database; empty for bolt
	KEK   string        // key file of the KEK that guards the rings
	Old   string        // of one that opens what it wrapped; empty for none
	Lease time.Duration // seal lease; 0 for the default

	Hold   string // wait at the HoldAt-th line that says this,
	HoldAt int    // or at the HoldAt-th of all where Hold is empty; 0 for never

	Process int // which one of several this is
	Rings   int // to decide about
	Round   int // save until this one is over,
	First   int // from this card on
}

// vault is the vault as one process has it.
type vault struct {
	*tokenize.Vault
	keys  *keys.Manager
	cards store.Cards
	repo  *tokenize.Repository
	close func()
}

// open opens the vault as a process of its own does. What it does from then on is
// told to tr.
func (p *plan) open(ctx context.Context, tr *trace) (v *vault, err error) {
	var ks keys.Store
	v = &vault{}
	if p.URL == "" {
		db, err := bolt.Open(ctx, filepath.Join(p.Dir, "vault.bolt"), &bolt.Options{Create: true})
		if err != nil {
			return nil, err
		}
		v.close = func() { db.Close() }
		ks, v.cards = db.Keys(), db.Cards()
	} else {
		pool, err := pgxpool.New(ctx, p.URL)
		if err != nil {
			return nil, err
		}
		v.close = pool.Close
		db, err := postgres.Open(ctx, pool, nil)
		if err != nil {
			pool.Close()
			return nil, err
		}
		ks, v.cards = db.Keys(), db.Cards()
	}
	v.cards = tracedCards{v.cards, tr}
	if err = v.onTop(ctx, p, tracedKeys{ks, tr}, tr); err != nil {
		v.close()
		return nil, err
	}
	tr.begin()
	return v, nil
}

// onTop opens what stands on the store.
func (v *vault) onTop(ctx context.Context, p *plan, ks keys.Store, tr *trace) error {
	o := keys.Options{SealLease: p.Lease}
	kek, err := local.OpenKeyFile(filepath.Join(p.Dir, p.KEK))
	if err != nil {
		return err
	}
	if p.Old != "" {
		old, err := local.OpenKeyFile(filepath.Join(p.Dir, p.Old))
		if err != nil {
			return err
		}
		o.OldKEKs = []keys.KEK{tracedKEK{old, tr}}
	}
	if v.keys, err = keys.Open(ctx, ks, tracedKEK{kek, tr}, &o); err != nil {
		return err
	}
	db := v.close
	v.close = func() { v.keys.Close(); db() }
	if v.Vault, err = tokenize.Open(ctx, v.cards, v.keys, nil); err != nil {
		return err
	}
	v.repo, err = v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard})
	return err
}

// newPlan makes key files, and a database or a folder for a vault.
func newPlan(t *testing.T, onPostgres bool) *plan {
	t.Helper()
	p := &plan{Dir: t.TempDir(), KEK: "kek-a"}
	for _, name := range []string{"kek-a", "kek-b"} {
		require.NoError(t, local.CreateKeyFile(filepath.Join(p.Dir, name)))
	}
	if !onPostgres {
		return p
	}
	p.URL = pgtest.New(t)
	config, err := pgx.ParseConfig(p.URL)
	require.NoError(t, err)
	_, err = migrate.Up(t.Context(), config, "")
	require.NoError(t, err)
	return p
}

// use opens the vault afresh, as the next process does, for the length of f.
func (p *plan) use(t *testing.T, f func(v *vault)) {
	t.Helper()
	v, err := p.open(t.Context(), nil)
	require.NoError(t, err)
	defer v.close()
	f(v)
}

// save stores the i-th card and returns its token.
func (v *vault) save(ctx context.Context, i int) (string, error) {
	pan, err := chaostest.Number(i)
	if err != nil {
		return "", err
	}
	q := tokenize.SaveRequest{Caller: me}
	q.Card.Number = pan
	d, err := v.repo.Save(ctx, q)
	return d.Token, err
}

// opens expects that the i-th token reveals the i-th card, and that each data key
// comes back from the KMS.
func (v *vault) opens(t *testing.T, tokens []string) {
	t.Helper()
	got, err := v.repo.RevealBatch(t.Context(), me, tokens, "test")
	require.NoError(t, err)
	for i := range got {
		want, err := chaostest.Number(i)
		require.NoError(t, err)
		require.Nil(t, got[i].Err, "card %d", i)
		require.True(t, got[i].Card.Number.Equal(want), "card %d came back as another", i)
	}
	for _, p := range []keys.Purpose{keys.PAN, keys.Index} {
		ring, err := v.keys.Scope(p, "any")
		require.NoError(t, err)
		for _, rec := range v.records(t, p) {
			_, err := ring.Subkey(t.Context(), rec.ID, "test")
			require.NoError(t, err, "data key %v", rec.ID)
		}
	}
}

func (v *vault) records(t *testing.T, p keys.Purpose) []keys.Record {
	t.Helper()
	records, err := v.keys.Records(t.Context(), p)
	require.NoError(t, err)
	return records
}

// active is the one active key of the ring that cards are sealed under.
func (v *vault) active(t *testing.T) keys.KeyID {
	t.Helper()
	id, n := keys.KeyID{}, 0
	for _, rec := range v.records(t, keys.PAN) {
		if rec.State == keys.Active {
			id = rec.ID
			n++
		}
	}
	require.Equal(t, 1, n, "active keys")
	return id
}
