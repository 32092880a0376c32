package postgres_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/store/storetest"
)

// openEphemeral opens the ephemeral store in a database.
func openEphemeral(t testing.TB, url string, change ...func(*pgxpool.Config)) *postgres.Ephemeral {
	t.Helper()
	e, err := postgres.OpenEphemeral(t.Context(), pgtest.Pool(t, url, change...), nil)
	require.NoError(t, err)
	return e
}

func TestCodes(t *testing.T) {
	storetest.RunCodes(t, func(t *testing.T) store.Codes { return open(t, migrated.New(t), asService).Codes() })
}

func TestCodesEphemeral(t *testing.T) {
	storetest.RunCodes(t, func(t *testing.T) store.Codes { return openEphemeral(t, forgetful.New(t), asService) })
	// Any number of processes share it, and a clean end forgets nothing.
	storetest.RunCodesDurable(t, func(t *testing.T) func() store.Codes {
		url := forgetful.New(t)
		return func() store.Codes { return openEphemeral(t, url, asService) }
	})
	keystest.RunStore(t, func(t *testing.T) keys.Store { return openEphemeral(t, forgetful.New(t), asService).Keys() })
}

// lastQuery remembers the last statement that was sent.
type lastQuery struct {
	sql  string
	args []any
}

func (l *lastQuery) TraceQueryStart(ctx context.Context, _ *pgx.Conn, q pgx.TraceQueryStartData) context.Context {
	l.sql, l.args = q.SQL, q.Args
	return ctx
}

func (l *lastQuery) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Among many codes each call finds its own by an index.
func TestCodesByIndex(t *testing.T) {
	url := forgetful.New(t)
	last := &lastQuery{}
	e := openEphemeral(t, url, func(c *pgxpool.Config) { c.ConnConfig.Tracer, c.MaxConns = last, 1 })
	code := putCode(t, e)
	key, _ := envelope.StoredKeyID(code.Record)
	pgtest.Exec(t, url, `INSERT INTO cardseal.codes (scope, owner_type, owner, card, record_id, token, record, key, created, expires, reads)
		SELECT scope, owner_type, n::text, sha256(n::text::bytea), record_id, n::text, record, sha256((n / 1000)::text::bytea), created, 1000 + n, reads
		FROM cardseal.codes, generate_series(1, 20000) AS n`, "ANALYZE cardseal.codes")
	for name, c := range map[string]struct {
		index string
		call  func() error
	}{
		"CountCodes": {"codes_key", func() error { _, err := e.CountCodes(t.Context(), key); return err }},
		"EraseToken": {"codes_token", func() error { return e.EraseToken(t.Context(), scope, "none") }},
		"SweepCodes": {"codes_expires", func() error { _, err := e.SweepCodes(t.Context(), 0, 10); return err }},
		"Code":       {"codes_pkey", func() error { _, err := e.Code(t.Context(), code.ID, 0); return err }},
		"Attempt": {"codes_pkey", func() error {
			_, err := e.Attempt(t.Context(), code.ID, 1, limits, 0)
			return err
		}},
		"ReadCode": {"codes_pkey", func() error { _, err := e.ReadCode(t.Context(), code.ID, 0); return err }},
	} {
		require.NoError(t, c.call(), name)
		conn, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		rows, err := conn.Query(t.Context(), "EXPLAIN "+last.sql, last.args...)
		require.NoError(t, err, name)
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		require.NoError(t, err, name)
		require.NoError(t, conn.Close(t.Context()))
		plan := strings.Join(lines, "\n")
		require.Contains(t, plan, c.index, "%s:\n%s", name, plan)
		require.NotContains(t, plan, "Seq Scan", "%s:\n%s", name, plan)
	}
}
