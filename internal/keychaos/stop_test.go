//go:build linux

package keychaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

var stops = flag.Int("stops", 1, "how many keys TestStopped destroys while processes are stopped that seal under them")

// moments are where a process is stopped: before or behind the call named, the
// at-th of its kind; or anywhere.
func moments() []plan {
	return []plan{
		{Hold: "in cards.Write", HoldAt: 1 + rand.IntN(4)}, // it has sealed, and is about to commit
		{Hold: "after keys.List", HoldAt: 1},               // it has read that the key is active
		{Hold: "in cards.OpenFence", HoldAt: 1},            // so it has, and seals for the first time
		{Hold: "after cards.Write", HoldAt: 1 + rand.IntN(4)},
		{}, {}, {},
	}
}

// saveMany is a process that saves cards until its round is over, and some more.
func saveMany(ctx context.Context, p *plan) error {
	b, err := p.board()
	if err != nil {
		return err
	}
	tr := p.trace()
	v, err := p.open(ctx, tr)
	if err != nil {
		return err
	}
	defer v.close()
	for i, more := p.First, 3; more > 0; i++ {
		if b.round.Load() > int64(p.Round) {
			more--
		}
		token, err := v.save(ctx, i)
		if e, ok := errors.AsType[*tokenize.Error](err); ok && (errors.Is(err, keys.ErrDisabled) || chaostest.Passing(err)) {
			tr.say(fmt.Sprint("refused ", i, " ", e.SupportCode))
			continue
		}
		if err != nil {
			return err
		}
		tr.say(fmt.Sprint("saved ", i, " ", token))
	}
	return nil
}

// room is how many cards a process may save: it is stopped long before.
const room = 10_000

// away takes a key out of use for good, as an operator does. A seal lease is a
// second at least, and the store keeps whole ones.
func (v *vault) away(ctx context.Context, id keys.KeyID) error {
	if err := v.keys.Retire(ctx, id); err != nil {
		return err
	}
	for {
		if _, err := v.repo.Reseal(ctx, tokenize.ResealOptions{Caller: me}); err != nil {
			return err
		}
		_, err := v.keys.Destroy(ctx, id, keys.DestroyOptions{
			CloseFence: v.cards.CloseFence, Census: v.KeyInUse, Skew: time.Second})
		if early, ok := errors.AsType[*keys.EarlyError](err); ok {
			<-time.After(time.Until(early.Until))
			continue
		}
		// One that is continued meanwhile may have saved a card before the fence.
		if _, ok := errors.AsType[*keys.InUseError](err); !ok {
			return err
		}
	}
}

// stopping is a vault whose keys are destroyed while processes are stopped.
type stopping struct {
	*plan
	board  *board
	server *pgx.Conn
	where  map[string]int // processes were stopped
	did    map[string]int
	gone   []keys.KeyID
	tokens map[int]string // of each card
}

// Processes that save cards are stopped (SIGSTOP) wherever they are, while another
// one retires the key that they seal under, reseals, takes the census and destroys
// the key. Then they go on: nothing is saved under the destroyed key, everything
// opens.
func TestStopped(t *testing.T) {
	w := &stopping{plan: newPlan(t, true), where: map[string]int{}, did: map[string]int{}, tokens: map[int]string{}}
	w.Do = "save"
	w.Lease = time.Second // the shortest there is
	var err error
	w.board, err = w.plan.board()
	require.NoError(t, err)
	w.server, err = pgx.Connect(t.Context(), w.URL)
	require.NoError(t, err)
	defer w.server.Close(context.WithoutCancel(t.Context()))
	for w.Round = range *stops {
		w.round(t)
	}
	t.Logf("stopped: %v", w.where)
	t.Logf("%d keys destroyed, %d cards: %v", len(w.gone), len(w.tokens), w.did)
	require.Positive(t, w.did["fenced"], "no write met a closed fence")
}

// round stops a process at each of the moments and destroys the key.
func (w *stopping) round(t *testing.T) {
	t.Helper()
	var id keys.KeyID
	w.First += room
	w.use(t, func(v *vault) {
		token, err := v.save(t.Context(), w.First)
		require.NoError(t, err)
		w.tokens[w.First] = token
		id = v.active(t)
	})
	all := map[string]*stopped{}
	for i, moment := range moments() {
		w.First += room
		name, p := fmt.Sprint("saving-", i), *w.plan
		p.Hold, p.HoldAt = moment.Hold, moment.HoldAt
		p.URL += "&application_name=" + name
		all[name] = startSaving(t, &p)
		all[name].stop(t, &p)
		w.where[all[name].where()]++
	}
	w.use(t, func(v *vault) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel() // where this test fails meanwhile
		destroyed := make(chan error, 1)
		go func() { destroyed <- v.away(ctx, id) }()
		w.makeWay(t, all, destroyed)
	})
	w.gone = append(w.gone, id)
	w.board.round.Add(1)
	for _, s := range all {
		s.goOn(t)
	}
	for _, s := range all {
		s.end(t)
		s.collect(t, w.tokens, w.did)
	}
	w.checkGone(t)
}

// makeWay waits for the key to be destroyed. Closing the fence waits for a process
// that was stopped in the middle of its transaction: that one goes on before.
func (w *stopping) makeWay(t *testing.T, all map[string]*stopped, destroyed chan error) {
	t.Helper()
	look := time.NewTicker(10 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case err := <-destroyed:
			require.NoError(t, err)
			return
		case <-look.C:
		}
		rows, err := w.server.Query(t.Context(), `
			SELECT DISTINCT b.application_name
			FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) AS pid JOIN pg_stat_activity b USING (pid)
			WHERE a.datname = current_database()`)
		require.NoError(t, err)
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err)
		for _, name := range names {
			if s := all[name]; s != nil && !s.freed {
				s.freed = true
				w.did["in the way"]++
				s.goOn(t)
			}
		}
	}
}

// checkGone expects that nothing lies under the destroyed keys, and that every card
// opens.
func (w *stopping) checkGone(t *testing.T) {
	t.Helper()
	w.use(t, func(v *vault) {
		for _, id := range w.gone {
			use, err := v.KeyUse(t.Context(), id)
			require.NoError(t, err)
			require.Zero(t, use.Records, "values that nobody can open")
		}
		all, err := v.cards.Repositories(t.Context())
		require.NoError(t, err)
		for row, err := range v.cards.Scan(t.Context(), all[0].Scope, "") {
			require.NoError(t, err)
			for _, sealed := range row.Sealed {
				id, ok := envelope.StoredKeyID(sealed.Record)
				require.True(t, ok)
				require.NotContains(t, w.gone, id, "token %s is sealed under a key that was destroyed", row.Token)
			}
			_, err := v.repo.Reveal(t.Context(), me, row.Token, "test")
			require.NoError(t, err, "token %s", row.Token)
		}
		for i, token := range w.tokens {
			want, err := chaostest.Number(i)
			require.NoError(t, err)
			got, err := v.repo.Reveal(t.Context(), me, token, "test")
			require.NoError(t, err, "card %d", i)
			require.True(t, got.Number.Equal(want), "card %d came back as another", i)
		}
	})
}
