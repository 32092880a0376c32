package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A write that has read epoch and fences, and is held up before it can commit,
// holds up in turn who raises the one or closes the other: once that returned,
// nothing from before it is committed any more.
func TestBarriers(t *testing.T) {
	key := envelope.KeyID{7}
	record := make([]byte, envelope.Overhead)
	record[0], record[1] = envelope.Version, envelope.SuiteXAES
	copy(record[2:], key[:])
	repository := store.Repository{Scope: store.ScopeID{1}, Name: "SHOP", Version: 1}
	raised := repository
	raised.Epoch = 1

	for name, raise := range map[string]func(ctx context.Context, c store.Cards) error{
		"epoch": func(ctx context.Context, c store.Cards) error { return c.UpdateRepository(ctx, raised) },
		"fence": func(ctx context.Context, c store.Cards) error { return c.CloseFence(ctx, key) },
	} {
		t.Run(name, func(t *testing.T) {
			address := migrated.New(t)
			c := open(t, address).Cards()
			_, err := c.CreateRepository(t.Context(), repository)
			require.NoError(t, err)
			require.NoError(t, c.OpenFence(t.Context(), key))
			// One connection that has prepared its statements: to prepare takes locks too.
			writer := open(t, address, func(c *pgxpool.Config) { c.MaxConns = 1 }).Cards()
			write := func(token string) error {
				out, err := writer.Write(t.Context(), []store.Write{{Row: store.Row{
					Scope: repository.Scope, Token: token, RecordID: envelope.NewRecordID(), Status: store.Active,
					Sealed: []store.Sealed{{Field: 1, Generation: 1, Record: record}},
				}}}, nil)
				if err == nil && out[0].Result != store.Written {
					return fmt.Errorf("outcome %d", out[0].Result)
				}
				return err
			}
			require.NoError(t, write("a"))
			watcher := pgtest.Pool(t, address)
			waiting := func() (n int) {
				require.NoError(t, watcher.QueryRow(t.Context(),
					"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n))
				return n
			}
			hold, err := pgx.Connect(t.Context(), address)
			require.NoError(t, err)
			defer hold.Close(t.Context())
			_, err = hold.Exec(t.Context(), "BEGIN; LOCK TABLE cardseal.cards IN SHARE MODE")
			require.NoError(t, err)

			written, done := make(chan error, 1), make(chan error, 1)
			go func() { written <- write("b") }()
			require.Eventually(t, func() bool { return waiting() == 1 }, time.Minute, 10*time.Millisecond)
			go func() { done <- raise(t.Context(), c) }()
			require.Eventually(t, func() bool { return len(done) > 0 || waiting() == 2 }, time.Minute, 10*time.Millisecond)
			require.Empty(t, done, "a write from before is still under way")

			_, err = hold.Exec(t.Context(), "ROLLBACK")
			require.NoError(t, err)
			require.NoError(t, <-written)
			require.NoError(t, <-done)
		})
	}
}

// An update of a repository that has read the fence it needs, and is held up before it
// can commit, holds up in turn who closes that fence.
func TestBarrierOfAnUpdate(t *testing.T) {
	key := envelope.KeyID{7}
	repository := store.Repository{Scope: store.ScopeID{1}, Name: "SHOP", Version: 1}
	address := migrated.New(t)
	c := open(t, address).Cards()
	_, err := c.CreateRepository(t.Context(), repository)
	require.NoError(t, err)
	require.NoError(t, c.OpenFence(t.Context(), key))
	writer := open(t, address, func(c *pgxpool.Config) { c.MaxConns = 1 }).Cards()
	require.NoError(t, writer.UpdateRepository(t.Context(), repository, key), "to prepare takes locks too")
	repository.Version++
	watcher := pgtest.Pool(t, address)
	waiting := func() (n int) {
		require.NoError(t, watcher.QueryRow(t.Context(),
			"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&n))
		return n
	}
	hold, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer hold.Close(t.Context())
	_, err = hold.Exec(t.Context(), "BEGIN; LOCK TABLE cardseal.repositories IN SHARE MODE")
	require.NoError(t, err)

	updated, done := make(chan error, 1), make(chan error, 1)
	go func() { updated <- writer.UpdateRepository(t.Context(), repository, key) }()
	require.Eventually(t, func() bool { return waiting() == 1 }, time.Minute, 10*time.Millisecond)
	go func() { done <- c.CloseFence(t.Context(), key) }()
	require.Eventually(t, func() bool { return len(done) > 0 || waiting() == 2 }, time.Minute, 10*time.Millisecond)
	require.Empty(t, done, "an update from before is still under way")

	_, err = hold.Exec(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, <-updated)
	require.NoError(t, <-done)
	repository.Version++
	require.ErrorIs(t, c.UpdateRepository(t.Context(), repository, key), store.ErrFenced)
}
