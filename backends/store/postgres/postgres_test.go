package postgres_test

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/capture/capturetest"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/store/storetest"
)

// migrated is a database with the tables, copied for each test.
var migrated = pgtest.Template{Prepare: func(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	if _, err = migrate.Up(ctx, config, ""); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, migrate.Roles())
	return errors.Join(err, conn.Close(ctx))
}}

// forgetful is an ephemeral database with the tables, likewise.
var forgetful = pgtest.Template{Prepare: func(ctx context.Context, url string) error {
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return err
	}
	if _, err = migrate.UpEphemeral(ctx, config, ""); err != nil {
		return err
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, migrate.EphemeralRoles())
	return errors.Join(err, conn.Close(ctx))
}}

// asService is a pool with no more rights than the role that package migrate
// documents.
func asService(c *pgxpool.Config) {
	c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "SET ROLE cardseal_service")
		return err
	}
}

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m, &migrated, &forgetful)) }

// open opens the store in a database.
func open(t testing.TB, url string, change ...func(*pgxpool.Config)) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), pgtest.Pool(t, url, change...), nil)
	require.NoError(t, err)
	return db
}

func TestCards(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Cards { return open(t, migrated.New(t), asService).Cards() })
}

func TestKeys(t *testing.T) {
	keystest.RunStore(t, func(t *testing.T) keys.Store { return open(t, migrated.New(t), asService).Keys() })
}

func TestCaptureKeys(t *testing.T) {
	capturetest.RunKeys(t, func(t *testing.T) capture.KeyStore { return open(t, migrated.New(t), asService).CaptureKeys() })
	capturetest.RunFenced(t, func(t *testing.T) (capture.KeyStore, store.Cards) {
		db := open(t, migrated.New(t), asService)
		return db.CaptureKeys(), db.Cards()
	})
	capturetest.RunReplays(t, func(t *testing.T) capture.ReplayStore {
		return capture.StoredReplays(open(t, migrated.New(t), asService).Cards(), store.ScopeID{1})
	})
	capturetest.RunKeysDurable(t, func(t *testing.T) func() capture.KeyStore {
		url := migrated.New(t)
		return func() capture.KeyStore { return open(t, url).CaptureKeys() }
	})
}

func TestDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T) func() store.Cards {
		url := migrated.New(t)
		return func() store.Cards { return open(t, url).Cards() }
	})
	storetest.RunCodesDurable(t, func(t *testing.T) func() store.Codes {
		url := migrated.New(t)
		return func() store.Codes { return open(t, url).Codes() }
	})
	keystest.RunStoreDurable(t, func(t *testing.T) func() keys.Store {
		url := migrated.New(t)
		return func() keys.Store { return open(t, url).Keys() }
	})
}

func TestClosed(t *testing.T) {
	db := open(t, migrated.New(t))
	require.NoError(t, db.Close())
	storetest.RunClosed(t, db.Cards())
	storetest.RunCodesClosed(t, db.Codes())
	_, err := db.CaptureKeys().List(t.Context(), "scope", "")
	require.ErrorIs(t, err, store.ErrClosed)
	keystest.RunStoreClosed(t, db.Keys())
	require.NoError(t, db.Close())
}
