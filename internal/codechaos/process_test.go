//go:build linux

package codechaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestMain(m *testing.M) { chaostest.Main(m, child) }

var (
	me       = tokenize.Caller{Owner: "codechaos", Permissions: tokenize.MayAll}
	own      = code.Owner{}
	counters = []code.Counter{code.Card, code.ApplePay, code.GooglePay, code.SamsungPay}
)

// plan is what a round is to do, told to each process.
type plan struct {
	KEK        string // key file
	Dir        string // of board and ledgers
	Cards      string // URL of the database; empty in one process
	Codes      string // of the ephemeral one, likewise
	Issuer     bool   // codes are durable
	Process    int    // which one this is, from 0
	Processes  int
	Goroutines int // each
	Tokens     []string
	Code       int // the right one
	Tries      int
	Guesses    int
	Unblock    bool // what is blocked is unblocked now and then
	Hold       int  // stop for ever at the so many-th attempt that was counted; 0 for never
	Once       bool // one right attempt, and no more
}

// board is what the processes of a round share.
type board struct {
	arrived                               atomic.Int64 // goroutines that are ready
	right, wrong, blocked, spent, unknown atomic.Int64 // what they were told
}

func (p *plan) board() (*board, error) {
	return chaostest.OpenBoard[board](filepath.Join(p.Dir, "board"))
}

// ground is what a service stands on.
type ground struct {
	keys      keys.Store
	cards     store.Cards
	issuer    store.Codes
	ephemeral code.EphemeralStore
}

func openPostgres(ctx context.Context, p *plan) (g ground, err error) {
	pool, err := connect(ctx, p.Cards)
	if err != nil {
		return g, err
	}
	d, err := postgres.Open(ctx, pool, nil)
	if err != nil {
		return g, err
	}
	g = ground{keys: d.Keys(), cards: d.Cards(), issuer: d.Codes()}
	if pool, err = connect(ctx, p.Codes); err != nil {
		return g, err
	}
	g.ephemeral, err = postgres.OpenEphemeral(ctx, pool, nil)
	return g, err
}

func connect(ctx context.Context, url string) (*pgxpool.Pool, error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	c.MaxConns = 8
	return pgxpool.NewWithConfig(ctx, c)
}

// service is a vault of one process's own, with the codes of its one repository.
type service struct {
	*code.Codes
	repo *tokenize.Repository
}

// serve opens one. The end of the process closes it.
func (p *plan) serve(ctx context.Context, g ground, l *ledger) (s service, err error) {
	kek, err := local.OpenKeyFile(p.KEK)
	if err != nil {
		return s, err
	}
	m, err := keys.Open(ctx, g.keys, kek, nil)
	if err != nil {
		return s, err
	}
	v, err := tokenize.Open(ctx, g.cards, m, &tokenize.Options{AllowDevelopmentKEK: true, IssuerCodes: noting{g.issuer, l}})
	if err != nil {
		return s, err
	}
	s.repo, err = v.EnsureRepository(ctx, tokenize.Config{ID: "CHAOS", Generation: tokenize.UUID,
		Management: tokenize.UniqueToken, IssuerCodes: p.Issuer})
	if err != nil {
		return s, err
	}
	var policy code.Policy = code.Issuer{}
	if !p.Issuer {
		e := notingEphemeral{noting{g.ephemeral, l}, g.ephemeral.Keys()}
		policy, err = code.OpenTransient(ctx, e, kek, &code.TransientOptions{TTL: time.Hour, AllowDevelopmentKEK: true})
		if err != nil {
			return s, err
		}
	}
	s.Codes, err = code.Open(ctx, s.repo, policy, &code.Options{Tries: p.Tries, Guesses: p.Guesses})
	return s, err
}

// child is a process of a round.
func child(ctx context.Context, p *plan) error {
	g, err := openPostgres(ctx, p)
	if err != nil {
		return err
	}
	b, err := p.board()
	if err != nil {
		return err
	}
	return p.run(ctx, g, b)
}

// run is one process's part of a round.
func (p *plan) run(ctx context.Context, g ground, b *board) error {
	l, err := p.ledger()
	if err != nil {
		return err
	}
	s, err := p.serve(ctx, g, l)
	if err != nil {
		return err
	}
	if p.Once {
		_, err := s.Verify(ctx, me, own, p.Tokens[0], number(p.Code), code.Card)
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for range p.Goroutines {
		group.Go(func() error {
			if err := p.meet(ctx, b); err != nil {
				return err
			}
			return p.guess(ctx, s, b)
		})
	}
	return group.Wait()
}

// meet waits until all are ready.
func (p *plan) meet(ctx context.Context, b *board) error {
	b.arrived.Add(1)
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for b.arrived.Load() < int64(p.Processes*p.Goroutines) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
		}
	}
	return nil
}

// guess goes on until nothing is compared any more.
func (p *plan) guess(ctx context.Context, s service, b *board) error {
	blocked := map[code.Counter]bool{}
	for len(blocked) < len(counters) {
		guess := p.Code
		if rand.IntN(3) > 0 {
			guess = (p.Code + 1 + rand.IntN(999)) % 1000
		}
		token, counter := p.Tokens[rand.IntN(len(p.Tokens))], counters[rand.IntN(len(counters))]
		_, err := s.Verify(ctx, me, own, token, number(guess), counter)
		switch {
		case err == nil:
			b.right.Add(1)
			if guess != p.Code {
				return errors.New("a wrong code was right")
			}
		case errors.Is(err, code.ErrWrong):
			b.wrong.Add(1)
			if guess == p.Code {
				return errors.New("the right code was wrong")
			}
		case errors.Is(err, code.ErrSpent):
			b.spent.Add(1)
			return nil
		case errors.Is(err, tokenize.ErrOutcomeUnknown):
			b.unknown.Add(1)
		case !errors.Is(err, code.ErrBlocked):
			return err
		default:
			b.blocked.Add(1)
			if !p.Unblock {
				blocked[counter] = true
			} else if rand.IntN(8) == 0 {
				if err := s.Unblock(ctx, me, own, token, counters[1:]...); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// number is a code of three digits.
func number(i int) card.CVC {
	c, err := card.ParseCVC(fmt.Sprintf("%03d", i))
	if err != nil {
		panic("codechaos: not three digits")
	}
	return c
}
