package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/faultproxy"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/tokenize/store"
)

func newCode(owner string, key envelope.KeyID) store.Code {
	record := append([]byte{envelope.Version, envelope.SuiteXAES}, key[:]...)
	return store.Code{
		ID: store.CodeID{Scope: scope, Owner: owner}, RecordID: envelope.NewRecordID(), Token: "t",
		Record: append(record, make([]byte, envelope.Overhead)...), Reads: 3,
	}
}

func putCode(t *testing.T, c store.Codes) store.Code {
	t.Helper()
	key := envelope.NewKeyID()
	require.NoError(t, c.OpenFence(t.Context(), key))
	code := newCode("a", key)
	require.NoError(t, c.PutCodes(t.Context(), []store.Code{code}))
	return code
}

var limits = store.TryLimits{Tries: 3, Guesses: 10}

// The answer to a statement that counts is lost: the caller is told that nobody knows,
// it is not run a second time, and what it counted stays counted.
func TestCountingAnswerLost(t *testing.T) {
	one := store.TryCounter{ID: 1, Taken: 1}
	for name, c := range map[string]struct {
		sql  string
		call func(c store.Codes, a store.Attempt) error
		then func(want *store.Code)
	}{
		"Attempt": {"WITH found", func(c store.Codes, a store.Attempt) error {
			_, err := c.Attempt(t.Context(), a.Code.ID, 1, limits, 0)
			return err
		}, func(want *store.Code) { want.Guesses, want.Counters[0].Taken = 2, 2 }},
		"ReadCode": {"WITH j", func(c store.Codes, a store.Attempt) error {
			_, err := c.ReadCode(t.Context(), a.Code.ID, 0)
			return err
		}, func(want *store.Code) { want.Reads = 2 }},
		"Settle": {"UPDATE", func(c store.Codes, a store.Attempt) error {
			return c.Settle(t.Context(), a.Code.ID, a, true, limits)
		}, func(want *store.Code) { want.Guesses, want.Counters[0].Base = 0, 1 }},
		"ResetTries": {"UPDATE", func(c store.Codes, a store.Attempt) error {
			return c.ResetTries(t.Context(), a.Code.ID, []uint16{1}, true, limits, 0)
		}, func(want *store.Code) { want.Counters[0].Base = 1 }},
		"PutCodes": {"", func(c store.Codes, a store.Attempt) error {
			again := a.Code
			again.Guesses, again.Counters = 0, nil
			return c.PutCodes(t.Context(), []store.Code{again})
		}, func(want *store.Code) { want.Guesses, want.Counters = 0, nil }},
	} {
		t.Run(name, func(t *testing.T) {
			address := forgetful.New(t)
			u, err := url.Parse(address)
			require.NoError(t, err)
			proxy, err := faultproxy.New(u.Host)
			require.NoError(t, err)
			t.Cleanup(func() { proxy.Close() })
			u.Host = proxy.Addr()
			at := &atCommit{proxy: proxy, sql: c.sql}
			e := openEphemeral(t, u.String(), func(c *pgxpool.Config) { c.ConnConfig.Tracer, c.MaxConns = at, 1 })
			code := putCode(t, e)
			a, err := e.Attempt(t.Context(), code.ID, 1, limits, 0)
			require.NoError(t, err)
			code.Guesses, code.Counters = 1, []store.TryCounter{one}
			require.Equal(t, code, a.Code)
			other := newCode("other", envelope.KeyID(code.Record[2:18]))
			require.NoError(t, e.PutCodes(t.Context(), []store.Code{other}))
			b, err := e.Attempt(t.Context(), other.ID, 1, limits, 0)
			require.NoError(t, err)
			require.NoError(t, c.call(e, b)) // prepares the statement

			at.fault.Store(&faultproxy.Fault{Mode: faultproxy.Reset, Keep: true})
			err = c.call(e, a)
			require.ErrorIs(t, err, store.ErrOutcomeUnknown)
			require.Nil(t, at.fault.Load())
			proxy.Set(faultproxy.Fault{})
			c.then(&code)
			got, err := e.Code(t.Context(), code.ID, 0)
			require.NoError(t, err)
			require.Equal(t, code, got)
		})
	}
}

// A database whose transactions are serializable by default rolls back all but one of
// those that meet; they are run again.
func TestCodesSerializable(t *testing.T) {
	address := forgetful.New(t)
	u, err := url.Parse(address)
	require.NoError(t, err)
	pgtest.Exec(t, address, fmt.Sprintf("ALTER DATABASE %s SET default_transaction_isolation = serializable", strings.TrimPrefix(u.Path, "/")))
	e := openEphemeral(t, address)
	code := putCode(t, e)
	var taken, blocked atomic.Int64
	var wg sync.WaitGroup
	for range 24 {
		wg.Go(func() {
			a, err := e.Attempt(t.Context(), code.ID, 1, limits, 0)
			switch {
			case err != nil:
				t.Errorf("Attempt: %v", err)
			case a.Result == store.TryTaken:
				taken.Add(1)
			case a.Result == store.TryBlocked:
				blocked.Add(1)
			}
		})
	}
	wg.Wait()
	require.EqualValues(t, 3, taken.Load())
	require.EqualValues(t, 21, blocked.Load())
}

// A caller who leaves while its attempt waits for another is told both: that it left,
// and that nobody knows whether the attempt counts.
func TestAttemptLeft(t *testing.T) {
	address := forgetful.New(t)
	e := openEphemeral(t, address)
	code := putCode(t, e)
	hold, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer hold.Close(t.Context())
	_, err = hold.Exec(t.Context(), "BEGIN; SELECT FROM cardseal.codes FOR UPDATE")
	require.NoError(t, err)
	watcher := pgtest.Pool(t, address)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := e.Attempt(ctx, code.ID, 1, limits, 0)
		done <- err
	}()
	require.Eventually(t, func() bool {
		var n int
		require.NoError(t, watcher.QueryRow(t.Context(),
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n))
		return n == 1
	}, time.Minute, 10*time.Millisecond)
	cancel()
	err = <-done
	require.ErrorIs(t, err, store.ErrOutcomeUnknown)
	require.ErrorIs(t, err, context.Canceled)
}
