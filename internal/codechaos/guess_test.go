//go:build linux

package codechaos

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
	"github.com/cardseal/cardseal/tokenize/store"
)

var rounds = flag.Int("rounds", 4, "how many codes are guessed, on each store and under each policy")

const (
	goroutines = 64
	processes  = 4
	tokens     = 8 // of the one card
)

// newPlan is a plan with a key file and, where it is for processes, databases.
func newPlan(t *testing.T, onPostgres, issuer bool) *plan {
	t.Helper()
	p := &plan{KEK: filepath.Join(t.TempDir(), "kek"), Processes: 1, Goroutines: goroutines, Issuer: issuer, Tries: 3, Guesses: 15}
	require.NoError(t, local.CreateKeyFile(p.KEK))
	if !onPostgres {
		return p
	}
	p.Processes, p.Goroutines = processes, goroutines/processes
	p.Cards, p.Codes = pgtest.New(t), pgtest.New(t)
	config, err := pgx.ParseConfig(p.Cards)
	require.NoError(t, err)
	_, err = migrate.Up(t.Context(), config, "")
	require.NoError(t, err)
	config, err = pgx.ParseConfig(p.Codes)
	require.NoError(t, err)
	_, err = migrate.UpEphemeral(t.Context(), config, "")
	require.NoError(t, err)
	return p
}

// bank is the vault as the test has it.
type bank struct {
	*testing.T
	plan
	g ground
}

// openBank saves the card, once for each token.
func openBank(t *testing.T, p *plan, g ground) *bank {
	t.Helper()
	w := &bank{T: t, plan: *p, g: g}
	w.Dir = t.TempDir()
	repo := w.open().repo
	pan, err := chaostest.Number(0)
	require.NoError(t, err)
	for range tokens {
		d, err := repo.Save(t.Context(), tokenize.SaveRequest{Caller: me, Card: card.Details{Number: pan}})
		require.NoError(t, err)
		w.Tokens = append(w.Tokens, d.Token)
	}
	return w
}

// open serves the codes by the plan as it is now.
func (w *bank) open() service {
	w.Helper()
	p := w.plan
	p.Dir, p.Hold = w.TempDir(), 0 // a ledger that nobody reads
	l, err := p.ledger()
	require.NoError(w, err)
	s, err := p.serve(w.Context(), w.g, l)
	require.NoError(w, err)
	return s
}

// put begins anew with another code.
func (w *bank) put() {
	w.Helper()
	w.Dir, w.Code = w.TempDir(), rand.IntN(1000)
	require.NoError(w, w.open().Put(w.Context(), me, own, w.Tokens[0], number(w.Code)))
}

// stored is the one code that there is.
func (w *bank) stored() (c store.Code) {
	w.Helper()
	var from store.Codes = w.g.ephemeral
	if w.Issuer {
		from = w.g.issuer
	}
	n := 0
	for got, err := range from.ScanCodes(w.Context(), store.ScopeID{}) {
		require.NoError(w, err)
		c = got
		n++
	}
	require.Equal(w, 1, n, "codes of one card")
	return c
}

func policies(t *testing.T, f func(t *testing.T, issuer bool)) {
	for _, issuer := range []bool{false, true} {
		t.Run(map[bool]string{false: "transient", true: "issuer"}[issuer], func(t *testing.T) { f(t, issuer) })
	}
}

// Four processes on PostgreSQL, of which one or more are killed in some rounds.
func TestPostgres(t *testing.T) {
	policies(t, func(t *testing.T, issuer bool) {
		p := newPlan(t, true, issuer)
		g, err := openPostgres(t.Context(), p)
		require.NoError(t, err)
		openBank(t, p, g).rounds()
	})
}

// As many goroutines in one process.
func TestOneProcess(t *testing.T) {
	policies(t, func(t *testing.T, issuer bool) {
		p := newPlan(t, false, issuer)
		d, err := bolt.Open(t.Context(), filepath.Join(t.TempDir(), "vault.bolt"), &bolt.Options{Create: true})
		require.NoError(t, err)
		t.Cleanup(func() { d.Close() })
		e, err := memory.NewCodes(nil)
		require.NoError(t, err)
		openBank(t, p, ground{keys: d.Keys(), cards: d.Cards(), issuer: d.Codes(), ephemeral: e}).rounds()
	})
}

// rounds guesses one code after the other, every other one with unblocking, and where
// there are processes half of these with kills.
func (w *bank) rounds() {
	w.Helper()
	began, total := time.Now(), tally{}
	for n := range *rounds {
		if w.Unblock = n%2 == 1; w.Unblock {
			w.Tries, w.Guesses = 1+rand.IntN(10), 20+rand.IntN(81)
		} else { // more than two would seldom be under way at one counter at once
			w.Tries, w.Guesses = 1+rand.IntN(2), 1+rand.IntN(100)
		}
		if n == 0 { // with guesses for all counters: each goroutine meets every one blocked
			w.Tries, w.Guesses = 1, len(counters)+1+rand.IntN(100-len(counters))
		}
		w.put()
		b, err := w.board()
		require.NoError(w, err)
		if w.Processes == 1 {
			require.NoError(w, w.run(w.Context(), w.g, b))
		} else {
			total.killed += w.race(n/2%2 == 1)
		}
		w.check(b, &total)
		w.useUp()
	}
	w.Logf("%d codes: %v; took %v", *rounds, &total, time.Since(began).Round(time.Millisecond))
	require.Positive(w, total.wrong)
	require.Positive(w, total.right)
	require.Positive(w, total.blocked)
}

// tally is what rounds came to.
type tally struct{ right, wrong, lost, blocked, spent, killed int64 }

func (n *tally) String() string {
	return fmt.Sprintf("%d right, %d wrong, %d counted of which nothing was told, %d blocked, %d spent, %d processes killed",
		n.right, n.wrong, n.lost, n.blocked, n.spent, n.killed)
}

// race is a round of processes. Of those that are killed each has counted an attempt
// and not compared; its other goroutines are wherever they are.
func (w *bank) race(kill bool) (killed int64) {
	w.Helper()
	var done sync.WaitGroup
	var n atomic.Int64
	for i := range w.Processes {
		p := w.plan
		if p.Process = i; kill && i < w.Processes/2 {
			p.Hold = 1 + rand.IntN(3)
		}
		c := chaostest.Child(w.T, &p)
		out, err := c.StdoutPipe()
		require.NoError(w, err)
		require.NoError(w, c.Start())
		done.Go(func() {
			held := false
			for lines := bufio.NewScanner(out); lines.Scan(); {
				if lines.Text() == counted {
					held = true
					n.Add(1)
					_ = c.Process.Kill()
				}
			}
			if err := c.Wait(); err != nil && !held {
				w.Errorf("process %d: %v", i, err)
			}
		})
	}
	done.Wait()
	require.False(w, w.Failed())
	return n.Load()
}

// check holds the ledgers against each other, the limits and the store.
func (w *bank) check(b *board, total *tally) {
	w.Helper()
	taken, right := map[uint16]map[uint64]bool{}, map[uint16]map[uint64]bool{}
	compared, wrong := 0, 0
	for _, e := range chaostest.ReadHistories[entry](w.T, w.Dir) {
		if taken[e.Counter] == nil {
			taken[e.Counter], right[e.Counter] = map[uint64]bool{}, map[uint64]bool{}
		}
		switch {
		case !e.Settled:
			require.False(w, taken[e.Counter][e.Number], "a number was given out twice")
			taken[e.Counter][e.Number] = true
			compared++
		case e.Right:
			right[e.Counter][e.Number] = true
		default:
			wrong++
		}
	}
	c := w.stored()
	rights, numbers := 0, uint64(0)
	for _, n := range c.Counters {
		base := uint64(0)
		for i := uint64(1); i <= n.Taken; i++ {
			// Unblock begins anew like a right attempt, so that runs may be longer then.
			if !w.Unblock {
				require.LessOrEqual(w, i-base, uint64(w.Tries), "attempts in a row, none of them right")
			}
			if right[n.ID][i] {
				base = i
			}
			delete(taken[n.ID], i)
		}
		require.Empty(w, taken[n.ID], "numbers that the store knows nothing of")
		rights += len(right[n.ID])
		numbers += n.Taken
	}
	// What was compared is no more than was counted, of which no more was not right than
	// the code has guesses in its life. A right one whose process was killed before it
	// could say so counts as wrong.
	require.LessOrEqual(w, compared-rights, int(c.Guesses))
	require.LessOrEqual(w, int(c.Guesses), w.Guesses)
	require.LessOrEqual(w, int64(numbers)-int64(rights), int64(c.Guesses))
	require.GreaterOrEqual(w, int64(numbers)-b.right.Load(), int64(c.Guesses))
	require.LessOrEqual(w, b.wrong.Load(), int64(wrong))
	require.LessOrEqual(w, b.right.Load(), int64(rights))
	total.right += b.right.Load()
	total.wrong += b.wrong.Load()
	total.lost += int64(numbers) - b.right.Load() - b.wrong.Load()
	total.blocked += b.blocked.Load()
	total.spent += b.spent.Load()
}

// useUp guesses what guesses are left one by one, unblocking what is blocked, and
// demands that they were as many as the store says, and that then no counter and no
// token takes the right code any more.
func (w *bank) useUp() {
	w.Helper()
	s := w.open()
	left := w.Guesses - int(w.stored().Guesses)
	unblock := func() {
		require.NoError(w, s.Unblock(w.Context(), me, own, w.Tokens[1], counters[1:]...))
	}
	unblock()
	for i := 0; i < left; {
		_, err := s.Verify(w.Context(), me, own, w.Tokens[i%tokens], number((w.Code+1)%1000), counters[i%len(counters)])
		if errors.Is(err, code.ErrBlocked) {
			unblock()
			continue
		}
		require.ErrorIs(w, err, code.ErrWrong)
		i++
	}
	unblock()
	for i, token := range w.Tokens {
		st, err := s.Verify(w.Context(), me, own, token, number(w.Code), counters[i%len(counters)])
		require.ErrorIs(w, err, code.ErrSpent)
		require.Zero(w, st.Left)
	}
	require.Equal(w, w.Guesses, int(w.stored().Guesses))
}

// A process that is killed when it has counted its attempt and has not compared has
// used it up, right as it would have been. Nothing gives it back to the code's life:
// not another process, not a right attempt, not Unblock.
func TestKilledBeforeComparing(t *testing.T) {
	policies(t, func(t *testing.T, issuer bool) {
		p := newPlan(t, true, issuer)
		p.Tries, p.Guesses = 2, 3
		g, err := openPostgres(t.Context(), p)
		require.NoError(t, err)
		w := openBank(t, p, g)
		w.put()
		s := w.open()
		w.Once, w.Hold, w.Processes = true, 1, 1
		right := func(by code.Counter) error {
			_, err := s.Verify(t.Context(), me, own, w.Tokens[1], number(w.Code), by)
			return err
		}
		stands := func(left, guesses int) {
			t.Helper()
			st, err := s.Status(t.Context(), me, own, w.Tokens[2])
			require.NoError(t, err)
			require.Equal(t, left, st.Counters[0].Left)
			require.Equal(t, min(w.Tries, guesses), st.Counters[1].Left, "a wallet's")
			require.Equal(t, guesses, st.GuessesLeft)
		}
		kill := func() {
			t.Helper()
			require.EqualValues(t, 1, w.race(false))
		}
		stands(2, 3)
		kill()
		stands(1, 2)
		kill()
		stands(0, 1)
		require.ErrorIs(t, right(code.Card), code.ErrBlocked)
		require.NoError(t, right(code.ApplePay), "the wallet has a counter of its own")
		require.NoError(t, s.Unblock(t.Context(), me, own, w.Tokens[3]))
		stands(1, 1) // of the code's life
		kill()
		require.NoError(t, s.Unblock(t.Context(), me, own, w.Tokens[3], counters[1:]...))
		stands(0, 0)
		for _, by := range counters {
			require.ErrorIs(t, right(by), code.ErrSpent)
		}
	})
}

// Each counter is blocked by its own wrong attempts, whatever the token, and one bound
// is on all of them.
func TestCountersApart(t *testing.T) {
	policies(t, func(t *testing.T, issuer bool) {
		p := newPlan(t, true, issuer)
		p.Tries, p.Guesses = 2, 7
		g, err := openPostgres(t.Context(), p)
		require.NoError(t, err)
		w := openBank(t, p, g)
		w.put()
		s := w.open()
		for i, by := range counters {
			for n := range p.Tries {
				if i*p.Tries+n == p.Guesses { // of the last counter's two
					_, err := s.Verify(t.Context(), me, own, w.Tokens[0], number(w.Code), by)
					require.ErrorIs(t, err, code.ErrSpent)
					return
				}
				for _, other := range counters[i+1:] { // does not help this one
					st, err := s.Verify(t.Context(), me, own, w.Tokens[7], number(w.Code), other)
					require.NoError(t, err)
					require.Equal(t, min(p.Tries, p.Guesses-i*p.Tries-n), st.Left)
				}
				st, err := s.Verify(t.Context(), me, own, w.Tokens[(i+n)%tokens], number((w.Code+1)%1000), by)
				require.ErrorIs(t, err, code.ErrWrong)
				require.Equal(t, min(p.Tries-1-n, p.Guesses-1-i*p.Tries-n), st.Left)
			}
			_, err := s.Verify(t.Context(), me, own, w.Tokens[0], number(w.Code), by)
			require.ErrorIs(t, err, code.ErrBlocked)
		}
		t.Fatal("the code's own bound was not reached")
	})
}
