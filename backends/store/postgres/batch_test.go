package postgres_test

import (
	"crypto/rand"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/store/storetest"
)

// full is a write of a new token with every field set.
func full(scope store.ScopeID, i int, key envelope.KeyID, unique bool) store.Write {
	record := make([]byte, 104)
	_, _ = rand.Read(record)
	record[0], record[1] = 1, 1
	copy(record[2:], key[:])
	r := store.Row{
		Scope: scope, Token: fmt.Sprintf("t%06d", i), RecordID: envelope.NewRecordID(), Status: store.Suspended,
		BIN: "411111", LastFour: "1111", PANLength: 16, Network: "visa", Brand: "visa é", Local: "l", Funding: "debit",
		Expiry: 65535, Invalid: i%2 == 0, Verified: 255, Created: -1, Updated: 1 << 62, UpdatedBy: "u", LastUsed: 3, Expires: 4,
		Analytics: "a", Scheme: store.Scheme{Status: 4, Expiry: 2912, PAR: "p", Requestor: "r"}, Order: fmt.Sprintf("o%d", i),
		Sealed: []store.Sealed{{Field: 1, Generation: 1<<64 - 1, Record: record}, {Field: 255, Record: record}},
		Index:  []store.IndexValue{{Key: envelope.KeyID{1}}, {Key: envelope.KeyID{2}}},
	}
	_, _ = rand.Read(r.Index[0].Value[:])
	_, _ = rand.Read(r.Index[1].Value[:])
	w := store.Write{Row: r, Unique: unique, Once: &store.Once{Now: 1, Until: 1000}}
	_, _ = rand.Read(w.Once.Key[:])
	_, _ = rand.Read(w.Once.Input[:])
	return w
}

// What goes in by COPY comes back as what is inserted does, with all that hangs
// on it.
func TestManyAsFew(t *testing.T) {
	c := open(t, migrated.New(t), asService).Cards()
	key := envelope.NewKeyID()
	require.NoError(t, c.OpenFence(t.Context(), key))
	for _, unique := range []bool{true, false} {
		var writes []store.Write
		for i := range 300 {
			scope := store.ScopeID{byte(i % 3), 1}
			if unique {
				scope[1] = 2
			}
			writes = append(writes, full(scope, i, key, unique))
		}
		few, many := writes[:30], writes[30:]
		for _, part := range [][]store.Write{few, many} {
			out, err := c.Write(t.Context(), part, &store.Job{ID: store.JobID{1}, State: fmt.Append(nil, len(part))})
			require.NoError(t, err)
			require.Len(t, out, len(part))
			for i := range out {
				require.Equal(t, store.Outcome{Result: store.Written}, out[i])
			}
			state, err := c.Job(t.Context(), store.JobID{1})
			require.NoError(t, err)
			require.Equal(t, fmt.Append(nil, len(part)), state)
		}
		for _, w := range writes {
			rows, err := c.Get(t.Context(), w.Row.Scope, []string{w.Row.Token})
			require.NoError(t, err)
			want := w.Row
			want.Version = 1
			require.Equal(t, want, rows[0])
			held, err := c.ByIndex(t.Context(), w.Row.Scope, w.Row.Index)
			require.NoError(t, err)
			require.Equal(t, [][]string{{w.Row.Token}, {w.Row.Token}}, held)
		}
		// Each refusal that a constraint stands for, once among many.
		refused := func(change func(w *store.Write), want store.Outcome) {
			t.Helper()
			var again []store.Write
			for i := range 100 {
				again = append(again, full(writes[0].Row.Scope, 1000+i, key, unique))
			}
			change(&again[50])
			out, err := c.Write(t.Context(), again, nil)
			require.NoError(t, err)
			require.Equal(t, want, out[50])
			require.Equal(t, store.Outcome{Result: store.Written}, out[49])
			rows, err := c.Get(t.Context(), again[49].Row.Scope, []string{again[49].Row.Token})
			require.NoError(t, err)
			require.EqualValues(t, 0, rows[0].Version)
		}
		first := writes[0]
		refused(func(w *store.Write) { w.Row.Token = first.Row.Token }, store.Outcome{Result: store.TokenTaken})
		refused(func(w *store.Write) { w.Once = first.Once }, store.Outcome{Result: store.Replayed, Token: first.Row.Token, Input: first.Once.Input})
		refused(func(w *store.Write) { w.Row.Index[1], w.Unique = first.Row.Index[0], true }, store.Outcome{Result: store.CardExists, Token: first.Row.Token})
		refused(func(w *store.Write) { w.Epoch = 1 }, store.Outcome{Result: store.Outdated})
		closed := envelope.NewKeyID()
		refused(func(w *store.Write) { copy(w.Row.Sealed[1].Record[2:], closed[:]) }, store.Outcome{Result: store.Fenced, Key: closed})
	}
	n, err := c.CountByKey(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, 2*300*2, n)
}

// The largest batch that a repository takes.
func TestMaxBatch(t *testing.T) {
	c := open(t, migrated.New(t)).Cards()
	key := envelope.NewKeyID()
	require.NoError(t, c.OpenFence(t.Context(), key))
	writes := make([]store.Write, tokenize.MaxBatch)
	for i := range writes {
		writes[i] = full(scope, i, key, true)
	}
	for version := range uint64(2) { // made, then changed
		for i := range writes {
			writes[i].Row.Version = version
			_, _ = rand.Read(writes[i].Once.Key[:])
		}
		out, err := c.Write(t.Context(), writes, nil)
		require.NoError(t, err)
		require.Len(t, out, len(writes))
	}
	n, err := c.CountByKey(t.Context(), key)
	require.NoError(t, err)
	require.EqualValues(t, 2*len(writes), n)
	rows, err := c.Get(t.Context(), scope, []string{"t000000", "t099999"})
	require.NoError(t, err)
	require.EqualValues(t, 2, rows[0].Version)
	require.EqualValues(t, 2, rows[1].Version)
}

// Callers who save the same cards by the hundred at once, in different orders:
// each card has one token in the end.
func TestBatchesCollide(t *testing.T) {
	c := open(t, migrated.New(t)).Cards()
	const callers, n = 6, 150
	values := make([]store.IndexValue, n)
	for i := range values {
		_, _ = rand.Read(values[i].Value[:])
	}
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			held, err := c.ByIndex(t.Context(), scope, values)
			for round := 0; ; round++ {
				if err != nil || round > 50 {
					t.Errorf("round %d: %v", round, err)
					return
				}
				var writes []store.Write
				for i := range values {
					i := (i*(2*g+1) + g) % n
					if held[i] == nil {
						w := plain(fmt.Sprintf("g%d-%d-%d", g, i, round))
						w.Row.Index, w.Unique = values[i:i+1], true
						writes = append(writes, w)
					}
				}
				if len(writes) == 0 {
					return
				}
				if _, err = c.Write(t.Context(), writes, nil); err == nil {
					held, err = c.ByIndex(t.Context(), scope, values)
				}
			}
		})
	}
	wg.Wait()
	held, err := c.ByIndex(t.Context(), scope, values)
	require.NoError(t, err)
	for _, tokens := range held {
		require.Len(t, tokens, 1)
	}
}

// A pool of one connection serves a caller who writes inside a scan, and a proxy
// that knows no prepared statements serves everything.
func TestPools(t *testing.T) {
	for name, change := range map[string]func(*pgxpool.Config){
		"one connection":  func(c *pgxpool.Config) { c.MaxConns = 1 },
		"exec":            func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeExec },
		"simple protocol": func(c *pgxpool.Config) { c.ConnConfig.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol },
	} {
		t.Run(name, func(t *testing.T) {
			storetest.RunDurable(t, func(t *testing.T) func() store.Cards {
				url := migrated.New(t)
				return func() store.Cards { return open(t, url, change).Cards() }
			})
			c := open(t, migrated.New(t), change).Cards()
			for i := range 200 {
				_, err := c.Write(t.Context(), []store.Write{plain(fmt.Sprintf("t%03d", i))}, nil)
				require.NoError(t, err)
			}
			n := 0
			for r, err := range c.Scan(t.Context(), scope, "") {
				require.NoError(t, err)
				out, err := c.Write(t.Context(), []store.Write{{Row: r}}, nil)
				require.NoError(t, err)
				require.Equal(t, store.Written, out[0].Result)
				n++
			}
			require.Equal(t, 200, n)
		})
	}
}

// Calls that are long out of date go, a bounded number with some writes; others
// stay.
func TestSweep(t *testing.T) {
	url := migrated.New(t)
	pool := pgtest.Pool(t, url)
	db, err := postgres.Open(t.Context(), pool, nil)
	require.NoError(t, err)
	const day = 24 * 60 * 60 * 1000
	remember := func(from, n int, now int64) {
		t.Helper()
		for i := range n {
			w := plain(fmt.Sprintf("t%d", from+i))
			w.Once = &store.Once{Now: now, Until: now + 1000}
			_, _ = rand.Read(w.Once.Key[:])
			out, err := db.Cards().Write(t.Context(), []store.Write{w}, nil)
			require.NoError(t, err)
			require.Equal(t, store.Written, out[0].Result)
		}
	}
	count := func() (n int) {
		t.Helper()
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM cardseal.calls").Scan(&n))
		return n
	}
	remember(0, 300, day) // 256 of them make a sweep due, which finds nothing old
	require.Equal(t, 300, count())
	remember(300, 212, 2*day+500) // a day later, but not a day past their time
	require.Equal(t, 512, count())
	remember(512, 256, 3*day)
	require.Equal(t, 768-300, count(), "those of the first day are gone, those of the second are not")
}

// As above, of spent messages, with and without a write.
func TestSpentAreForgotten(t *testing.T) {
	url := migrated.New(t)
	pool := pgtest.Pool(t, url)
	db, err := postgres.Open(t.Context(), pool, nil)
	require.NoError(t, err)
	const hour = 60 * 60 * 1000
	spend := func(from, n int, now int64) {
		t.Helper()
		for i := range n {
			m := store.Spend{Now: now, Until: now + 1000}
			_, _ = rand.Read(m.Digest[:])
			if i%2 == 0 {
				before, err := db.Cards().Spend(t.Context(), scope, []store.Spend{m})
				require.NoError(t, err)
				require.Equal(t, []bool{false}, before)
				continue
			}
			w := plain(fmt.Sprintf("t%d", from+i))
			w.Spend = &m
			out, err := db.Cards().Write(t.Context(), []store.Write{w}, nil)
			require.NoError(t, err)
			require.Equal(t, store.Written, out[0].Result)
		}
	}
	count := func() (n int) {
		t.Helper()
		require.NoError(t, pool.QueryRow(t.Context(), "SELECT count(*) FROM cardseal.spent").Scan(&n))
		return n
	}
	spend(0, 300, hour) // 256 of them make a sweep due, which finds nothing old
	require.Equal(t, 300, count())
	spend(300, 212, 2*hour+500) // an hour later, but not an hour past their time
	require.Equal(t, 512, count())
	spend(512, 256, 3*hour)
	require.Equal(t, 768-300, count(), "those of the first hour are gone, those of the second are not")
}
