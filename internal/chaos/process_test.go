//go:build linux

package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

// childPlan tells the test binary to be one of the processes.
const childPlan = "CARDSEAL_CHAOS_PLAN"

func TestMain(m *testing.M) {
	text := os.Getenv(childPlan)
	if text == "" {
		os.Exit(m.Run())
	}
	// A process of its own has no test to take a context from.
	if err := child(context.Background(), text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(ctx context.Context, text string) error {
	var p plan
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return err
	}
	b, err := openBoard(filepath.Join(p.Dir, "board"))
	if err != nil {
		return err
	}
	d, err := openLossy(ctx, p.URL)
	if err != nil {
		return err
	}
	return p.run(ctx, d, b)
}

// db is a store of keys and cards.
type db interface {
	Keys() keys.Store
	Cards() store.Cards
}

// openLossy opens the store with fewer connections than there are goroutines, all
// of them lossy.
func openLossy(ctx context.Context, url string) (d db, err error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	c.MaxConns = 6
	lose(c)
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	err = insist(ctx, func() (err error) {
		d, err = postgres.Open(ctx, pool, nil)
		return err
	})
	return d, err
}

const keyFile = "kek"

// openVault opens a vault of this process's own over a store.
func (p *plan) openVault(ctx context.Context, d db) (*tokenize.Repository, *keys.Manager, error) {
	kek, err := local.OpenKeyFile(filepath.Join(p.Dir, keyFile))
	if err != nil {
		return nil, nil, err
	}
	m, err := keys.Open(ctx, d.Keys(), kek, nil)
	if err != nil {
		return nil, nil, err
	}
	v, err := tokenize.Open(ctx, d.Cards(), m, &tokenize.Options{AllowDevelopmentKEK: true})
	if err != nil {
		return nil, nil, err
	}
	var r *tokenize.Repository
	err = insist(ctx, func() (err error) {
		r, err = v.EnsureRepository(ctx, p.config())
		return err
	})
	return r, m, err
}

// run is one process's part: goroutines that use the repository until all tickets
// are taken.
func (p *plan) run(ctx context.Context, d db, b *board) error {
	r, m, err := p.openVault(ctx, d)
	if err != nil {
		return err
	}
	defer m.Close()
	g, ctx := errgroup.WithContext(ctx)
	for i := range p.Goroutines {
		g.Go(func() error {
			h, err := newHistory(filepath.Join(p.Dir, fmt.Sprintf("%d-%d.jsonl", p.Process, i)))
			if err != nil {
				return err
			}
			w := newWorker(p, r, h, i)
			for err == nil {
				size := w.size()
				n := b.tickets.Add(size) - size
				if n >= uint64(p.Saves) {
					break
				}
				if newKey, mine := p.rotates(b, n); mine {
					g.Go(func() error { return p.rotate(ctx, r, newKey) })
				}
				err = w.turn(ctx, n, size)
			}
			return errors.Join(err, h.close())
		})
	}
	return g.Wait()
}

// rotates says whether it is for this process to rotate the index key now, or to
// help another one that does.
func (p *plan) rotates(b *board, n uint64) (newKey, mine bool) {
	me := uint64(p.Process) + 1
	if n >= p.rotateAt() && b.rotator.CompareAndSwap(0, me) {
		return true, true
	}
	other := b.rotator.Load() != me || p.Processes == 1
	return false, n >= p.joinAt() && other && b.joiner.CompareAndSwap(0, me)
}

// rotate replaces the repository's index key, calling again until it is done.
func (p *plan) rotate(ctx context.Context, r *tokenize.Repository, newKey bool) error {
	name := "join.jsonl"
	if newKey {
		name = "rotate.jsonl"
	}
	h, err := newHistory(filepath.Join(p.Dir, name))
	if err != nil {
		return err
	}
	o := op{Do: rotate, Call: clock(), Got: done}
	var before tokenize.IndexStatus
	err = insist(ctx, func() (err error) {
		before, err = r.IndexStatus(ctx)
		return err
	})
	if err != nil {
		return err
	}
	err = insist(ctx, func() error {
		// What failed may have come to its end all the same, and another new key
		// would begin a rotation of its own.
		now, err := r.IndexStatus(ctx)
		if err != nil || now.Phase == tokenize.Settled && now.Key != before.Key {
			return err
		}
		_, err = r.Reindex(ctx, tokenize.ReindexOptions{Caller: me, NewKey: newKey, Batch: 50})
		return err
	})
	o.Return = clock()
	return errors.Join(err, h.add(&o), h.close())
}

// tries bounds how often a call is made that others or the killer got in the way
// of. The store has tried a few times each before it says so.
const tries = 1000

// insist calls f again while it fails in a way that passes.
func insist(ctx context.Context, f func() error) (err error) {
	for range tries {
		if err = f(); err == nil || ctx.Err() != nil || !passing(err) {
			return err
		}
	}
	return err
}

// passing reports an error that says: nothing was done, or nobody knows.
func passing(err error) bool {
	for _, kind := range []error{tokenize.ErrOutcomeUnknown, tokenize.ErrConflict, store.ErrUnavailable, keys.ErrUnavailable} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
