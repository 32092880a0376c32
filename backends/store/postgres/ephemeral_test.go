package postgres_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestCodesDurable(t *testing.T) {
	err := open(t, migrated.New(t)).Codes().CheckEphemeral(t.Context())
	require.ErrorIs(t, err, store.ErrDurable)
	require.ErrorContains(t, err, "beside the cards")
}

// Each way in which the tables would not be forgotten is told, by a store that is open
// and by one that is opened.
func TestCheckEphemeral(t *testing.T) {
	const function = "CREATE FUNCTION copy() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; "
	for name, c := range map[string]struct{ spoil, says string }{
		"codes logged":      {"ALTER TABLE cardseal.codes SET LOGGED", "codes is not UNLOGGED"},
		"keys logged":       {"ALTER TABLE cardseal.data_keys SET LOGGED", "is not UNLOGGED"},
		"another table":     {"CREATE TABLE cardseal.mine ()", "mine is not UNLOGGED"},
		"a sequence":        {"CREATE SEQUENCE cardseal.numbers", "numbers is not UNLOGGED"},
		"a stored view":     {"CREATE MATERIALIZED VIEW cardseal.mine AS SELECT * FROM cardseal.codes", "mine is not UNLOGGED"},
		"a view as table":   {"ALTER TABLE cardseal.codes RENAME TO c; CREATE VIEW cardseal.codes AS SELECT * FROM cardseal.c", "codes is no plain table"},
		"a trigger":         {function + "CREATE TRIGGER t AFTER INSERT ON cardseal.codes FOR EACH ROW EXECUTE FUNCTION copy()", "trigger t could copy rows"},
		"a rule":            {"CREATE RULE r AS ON INSERT TO cardseal.data_keys DO ALSO NOTHING", "rule or view r could copy rows"},
		"a child":           {"CREATE TABLE public.child () INHERITS (cardseal.codes)", "table child inherits"},
		"statistics":        {"ALTER TABLE cardseal.data_keys ALTER wrappings SET STATISTICS 1", "column data_keys.wrappings has statistics"},
		"their default":     {"ALTER TABLE cardseal.codes ALTER record SET STATISTICS -1", "column codes.record has statistics"},
		"a new column":      {"ALTER TABLE cardseal.codes ADD mine text", "column codes.mine has statistics"},
		"of two columns":    {"CREATE STATISTICS cardseal.both (mcv) ON record, token FROM cardseal.codes", "statistics both are copies"},
		"of an expression":  {"CREATE INDEX mine ON cardseal.codes (sha256(record))", "index mine is of an expression"},
		"a view elsewhere":  {"CREATE MATERIALIZED VIEW public.mine AS SELECT * FROM cardseal.codes", "materialized view mine copies rows"},
		"a publication":     {"CREATE PUBLICATION p FOR ALL TABLES", "publication p is for logical replication"},
		"another engine":    {"CREATE FUNCTION aurora_version() RETURNS text LANGUAGE sql AS 'SELECT ''16.1'''", "the engine is aurora"},
		"the card store's":  {"", "schema cards of the same database is a card store's"},
		"several at a time": {"ALTER TABLE cardseal.fences SET LOGGED; CREATE PUBLICATION p", "; publication p"},
	} {
		t.Run(name, func(t *testing.T) {
			url := forgetful.New(t)
			e := openEphemeral(t, url, asService)
			require.NoError(t, e.CheckEphemeral(t.Context()))
			if c.spoil == "" {
				config, err := pgx.ParseConfig(url)
				require.NoError(t, err)
				_, err = migrate.Up(t.Context(), config, "cards")
				require.NoError(t, err)
			} else {
				pgtest.Exec(t, url, c.spoil)
			}
			err := e.CheckEphemeral(t.Context())
			require.ErrorIs(t, err, store.ErrDurable)
			require.ErrorContains(t, err, c.says)
			_, err = postgres.OpenEphemeral(t.Context(), pgtest.Pool(t, url), nil)
			require.ErrorIs(t, err, store.ErrDurable)
		})
	}
}

// own is an ephemeral database on a server of the test's own.
func own(t *testing.T) *kmstest.Own {
	t.Helper()
	server := kmstest.StartOwn(t, kmstest.Postgres)
	config, err := pgx.ParseConfig(server.URL)
	require.NoError(t, err)
	_, err = migrate.UpEphemeral(t.Context(), config, "")
	require.NoError(t, err)
	return server
}

// A server that is killed forgets codes, keys and fences together; the tables are
// there, so that the same process and a new one begin anew.
func TestCrashForgets(t *testing.T) {
	server := own(t)
	e := openEphemeral(t, server.URL)
	ring := keys.RingID{Environment: "e", Purpose: keys.CVC}
	key := envelope.NewKeyID()
	at := time.Unix(1_700_000_000, 0)
	data := keys.Record{ID: key, Ring: ring, State: keys.Active, Created: at, Changed: at, Wrapped: []keys.Wrapping{{KEK: "k", Bytes: []byte{1}}}}
	code := newCode("a", key)
	begin := func(e *postgres.Ephemeral) {
		t.Helper()
		list, version, err := e.Keys().List(t.Context(), ring)
		require.NoError(t, err)
		require.Empty(t, list)
		require.Zero(t, version)
		n, err := e.CountCodes(t.Context(), key)
		require.NoError(t, err)
		require.Zero(t, n)
		require.ErrorIs(t, e.PutCodes(t.Context(), []store.Code{code}), store.ErrFenced)

		require.NoError(t, e.Keys().CompareAndSwap(t.Context(), ring, 0, []keys.Record{data}))
		require.NoError(t, e.OpenFence(t.Context(), key))
		require.NoError(t, e.PutCodes(t.Context(), []store.Code{code}))
		_, err = e.Attempt(t.Context(), code.ID, 1, store.TryLimits{Tries: 3, Guesses: 10}, 0)
		require.NoError(t, err)
	}
	begin(e)
	// What a checkpoint wrote to the tables' files goes too.
	pgtest.Exec(t, server.URL, "CHECKPOINT")
	server.Stop()
	_, err := e.Attempt(t.Context(), code.ID, 1, store.TryLimits{Tries: 3, Guesses: 10}, 0)
	require.Error(t, err)
	server.Start()

	require.NoError(t, e.CheckEphemeral(t.Context()))
	_, err = e.Code(t.Context(), code.ID, 0)
	require.ErrorIs(t, err, store.ErrNotFound)
	_, err = e.Keys().Get(t.Context(), key)
	require.ErrorIs(t, err, keys.ErrNotFound)
	begin(e)
	server.Stop()
	server.Start()
	begin(openEphemeral(t, server.URL))
}

// A standby does not even read such tables, and is no place to write to.
func TestStandby(t *testing.T) {
	server := own(t)
	pool := pgtest.Pool(t, server.URL)
	var data string
	require.NoError(t, pool.QueryRow(t.Context(), "SHOW data_directory").Scan(&data))
	e := openEphemeral(t, server.URL)
	server.Stop()
	require.NoError(t, os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o644))
	server.Start()
	err := e.CheckEphemeral(t.Context())
	require.ErrorIs(t, err, store.ErrDurable)
	require.ErrorContains(t, err, "standby")
	_, err = postgres.OpenEphemeral(t.Context(), pool, nil)
	require.ErrorIs(t, err, store.ErrDurable)
}
