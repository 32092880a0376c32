//go:build linux

package keychaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Four processes decide which key of a ring is active, two goroutines in each by
// one manager. All go from ring to ring together, so that the first key of each is
// wanted by all at once.
const (
	deciders   = 4
	goroutines = 2
	decisions  = 12 // of a goroutine about a ring
	loseEach   = 40
)

// board is what processes share.
type board struct {
	round atomic.Int64 // of TestStopped; the others are of those who decide

	arrived   atomic.Uint64 // goroutines that came to a ring, over all rings
	calls     atomic.Uint64
	conflicts atomic.Uint64 // compare-and-swaps that others were ahead of
}

func (p *plan) board() (*board, error) {
	return chaostest.OpenBoard[board](filepath.Join(p.Dir, "board"))
}

// ring is the n-th ring: of a purpose, or of a scope.
func ring(m *keys.Manager, n int) (*keys.Scope, error) {
	if n%2 == 0 {
		return m.Scope(keys.Purpose(fmt.Sprintf("x-%d", n)), "any")
	}
	return m.ScopeIn(keys.PerScope, keys.PAN, fmt.Sprint(n))
}

// decide is a process that decides.
func decide(ctx context.Context, p *plan) error {
	b, err := p.board()
	if err != nil {
		return err
	}
	db, err := chaostest.OpenLossy(ctx, p.URL, goroutines, loseEach)
	if err != nil {
		return err
	}
	kek, err := local.OpenKeyFile(filepath.Join(p.Dir, p.KEK))
	if err != nil {
		return err
	}
	m, err := keys.Open(ctx, notingKeys{db.Keys(), b}, kek, nil)
	if err != nil {
		return err
	}
	defer m.Close()
	g, ctx := errgroup.WithContext(ctx)
	for i := range goroutines {
		g.Go(func() error {
			h, err := chaostest.NewHistory[call](filepath.Join(p.Dir, fmt.Sprintf("%d-%d.jsonl", p.Process, i)))
			if err != nil {
				return err
			}
			for n := 0; n < p.Rings && err == nil; n++ {
				if err = b.meet(ctx, n); err == nil {
					err = decideRing(ctx, m, h, b, n)
				}
			}
			return errors.Join(err, h.Close())
		})
	}
	return g.Wait()
}

// meet waits until all have come to the n-th ring.
func (b *board) meet(ctx context.Context, n int) error {
	b.arrived.Add(1)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for b.arrived.Load() < uint64(n+1)*deciders*goroutines {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
	return nil
}

// decideRing makes a goroutine's calls about a ring and writes them down.
func decideRing(ctx context.Context, m *keys.Manager, h *chaostest.History[call], b *board, n int) error {
	s, err := ring(m, n)
	if err != nil {
		return err
	}
	var seen keys.KeyID // the active key, as this goroutine knows it
	for i := range decisions {
		c := call{Ring: n}
		switch chance := rand.IntN(20); {
		case chance < 5:
			c.Do = rotate
		case chance < 9 && !seen.IsZero():
			c.Do, c.Key, c.id = retire, seen.String(), seen
		case chance < 11 && i > 0:
			c.Do = rewrap
		case chance < 15:
			c.Do = list
		default:
			c.Do = active
		}
		if err := c.insist(ctx, m, s, h, b); err != nil {
			return fmt.Errorf("%s of ring %d: %w", c.Do, n, err)
		}
		if !c.id.IsZero() {
			seen = c.id
		}
	}
	return nil
}

// insist makes a call, and again while its outcome is unknown or nothing was done,
// and writes each down as a call of its own.
func (c *call) insist(ctx context.Context, m *keys.Manager, s *keys.Scope, h *chaostest.History[call], b *board) (err error) {
	for range chaostest.Tries {
		b.calls.Add(1)
		*c = call{Ring: c.Ring, Do: c.Do, Key: c.Key, id: c.id, Call: chaostest.Clock()}
		err = c.make(context.WithValue(ctx, notes{}, c), m, s)
		c.Return = chaostest.Clock()
		switch {
		case err == nil:
			c.Got = done
		case errors.Is(err, store.ErrOutcomeUnknown):
			c.Got = unknown
		case chaostest.Passing(err):
			c.Got = busy
		default:
			return err
		}
		if err := h.Add(c); err != nil {
			return err
		}
		if c.Got == done {
			return nil
		}
	}
	return err
}

func (c *call) make(ctx context.Context, m *keys.Manager, s *keys.Scope) (err error) {
	switch c.Do {
	case rotate:
		c.id, err = s.Rotate(ctx)
	case active:
		s.Refresh() // so that it is read from the store
		c.id, err = s.ActiveKey(ctx)
	case retire:
		return m.Retire(ctx, c.id)
	case rewrap: // changes no key's state, but is in the way of those who do
		_, err = s.Rewrap(ctx, nil)
		return err
	case list:
		var records []keys.Record
		records, err = s.Records(ctx)
		c.told(records)
		return err
	}
	if err == nil {
		c.Is = c.id.String()
	}
	return err
}

// told notes what a ring's records say.
func (c *call) told(records []keys.Record) {
	c.Keys = []string{}
	for i := range records {
		c.Keys = append(c.Keys, records[i].ID.String())
		if records[i].State == keys.Active {
			c.Is = records[i].ID.String()
		}
	}
}

// notingKeys notes in the call that comes to it which keys it would make active.
type notingKeys struct {
	keys.Store
	b *board
}

// notes is the key of the call in its context. Of several calls that share one,
// the first is noted.
type notes struct{}

func (s notingKeys) CompareAndSwap(ctx context.Context, id keys.RingID, version uint64, put []keys.Record) error {
	if c, ok := ctx.Value(notes{}).(*call); ok && (c.Do == rotate || c.Do == active) {
		for i := range put {
			if put[i].State == keys.Active {
				c.Made = append(c.Made, put[i].ID.String())
			}
		}
	}
	err := s.Store.CompareAndSwap(ctx, id, version, put)
	if errors.Is(err, keys.ErrConflict) {
		s.b.conflicts.Add(1)
	}
	return err
}
