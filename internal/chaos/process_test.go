//go:build linux

package chaos

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestMain(m *testing.M) { chaostest.Main(m, child) }

// loseEach is how many answers a connection gives, on average, before one is lost.
// There are fewer connections than goroutines.
const loseEach = 400

// board is what the processes of a run share.
type board struct {
	tickets atomic.Uint64 // saves that were begun
	rotator atomic.Uint64 // one more than the number of the process that rotates
	joiner  atomic.Uint64 // likewise of the one that helps
}

func (p *plan) board() (*board, error) {
	return chaostest.OpenBoard[board](filepath.Join(p.Dir, "board"))
}

func child(ctx context.Context, p *plan) error {
	b, err := p.board()
	if err != nil {
		return err
	}
	d, err := chaostest.OpenLossy(ctx, p.URL, 6, loseEach)
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
	err = chaostest.Insist(ctx, func() (err error) {
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
			h, err := chaostest.NewHistory[op](filepath.Join(p.Dir, fmt.Sprintf("%d-%d.jsonl", p.Process, i)))
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
			return errors.Join(err, h.Close())
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
	h, err := chaostest.NewHistory[op](filepath.Join(p.Dir, name))
	if err != nil {
		return err
	}
	o := op{Do: rotate, Call: chaostest.Clock(), Got: done}
	var before tokenize.IndexStatus
	err = chaostest.Insist(ctx, func() (err error) {
		before, err = r.IndexStatus(ctx)
		return err
	})
	if err != nil {
		return err
	}
	err = chaostest.Insist(ctx, func() error {
		// What failed may have come to its end all the same, and another new key
		// would begin a rotation of its own.
		now, err := r.IndexStatus(ctx)
		if err != nil || now.Phase == tokenize.Settled && now.Key != before.Key {
			return err
		}
		_, err = r.Reindex(ctx, tokenize.ReindexOptions{Caller: me, NewKey: newKey, Batch: 50})
		return err
	})
	o.Return = chaostest.Clock()
	return errors.Join(err, h.Add(&o), h.Close())
}
