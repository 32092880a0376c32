//go:build linux

package chaos

import (
	"flag"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/tokenize"
)

var saves = flag.Int("saves", 3000, "how many saves a run of UNIQUE_CARD makes, on a fifth as many cards")

// newPlan is a run's plan, with a key file in its folder.
func newPlan(t *testing.T, m tokenize.Management, saves int) *plan {
	t.Helper()
	p := &plan{Dir: t.TempDir(), Processes: 1, Goroutines: 32, Saves: saves, Cards: saves / 5, Management: m, Seed: rand.Uint64()}
	require.NoError(t, local.CreateKeyFile(filepath.Join(p.Dir, keyFile)))
	return p
}

// TestPostgres: four processes on one database, each with connections and a cache
// of keys of its own, while connections are killed and answers lost.
func TestPostgres(t *testing.T) {
	for _, c := range []struct {
		m     tokenize.Management
		saves int
	}{{tokenize.UniqueCard, *saves}, {tokenize.UniqueToken, 1000}} {
		t.Run(c.m.String(), func(t *testing.T) {
			p := newPlan(t, c.m, c.saves)
			p.URL = pgtest.New(t)
			config, err := pgx.ParseConfig(p.URL)
			require.NoError(t, err)
			_, err = migrate.Up(t.Context(), config, "")
			require.NoError(t, err)

			p.Processes, p.Goroutines = 4, 8
			b, err := p.board()
			require.NoError(t, err)
			began := time.Now()
			var running []*exec.Cmd
			for p.Process = range p.Processes {
				c := chaostest.Child(t, p)
				require.NoError(t, c.Start())
				running = append(running, c)
			}
			stop := chaostest.Killer(t, p.URL, b.tickets.Load)
			for i, c := range running {
				if err := c.Wait(); err != nil {
					t.Errorf("process %d: %v", i, err)
				}
			}
			took := time.Since(began)
			killed := stop()
			require.False(t, t.Failed())
			t.Logf("%d connections were killed", killed)
			require.Positive(t, killed, "the killer has lost its teeth")

			d, err := postgres.Open(t.Context(), pgtest.Pool(t, p.URL), nil)
			require.NoError(t, err)
			p.check(t, d, took)
			p.checkTables(t)
		})
	}
}

// TestBolt: as many goroutines in one process, which is all that a bolt file
// takes.
func TestBolt(t *testing.T) {
	p := newPlan(t, tokenize.UniqueCard, *saves)
	d, err := bolt.Open(t.Context(), filepath.Join(p.Dir, "vault.bolt"), &bolt.Options{Create: true})
	require.NoError(t, err)
	defer d.Close()
	began := time.Now()
	require.NoError(t, p.run(t.Context(), d, new(board)))
	p.check(t, d, time.Since(began))
}
