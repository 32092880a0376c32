package migrate_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/tokenize/store"
)

func config(t *testing.T, url string) *pgx.ConnConfig {
	t.Helper()
	c, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return c
}

func opening(t *testing.T, url, schema string) error {
	_, err := postgres.Open(t.Context(), pgtest.Pool(t, url), &postgres.Options{Schema: schema})
	return err
}

func TestUp(t *testing.T) {
	url := pgtest.New(t)
	// A name that needs quoting, and one beside it.
	for _, schema := range []string{"", `Vault "two"`} {
		err := opening(t, url, schema)
		require.ErrorIs(t, err, postgres.ErrSchema)
		require.ErrorContains(t, err, "store migrate")
		list, err := migrate.Status(t.Context(), config(t, url), schema)
		require.NoError(t, err)
		require.Equal(t, migrate.Migration{Version: 1, Name: "00001_tables.sql"}, list[0])

		done, err := migrate.Up(t.Context(), config(t, url), schema)
		require.NoError(t, err)
		for i := range list {
			require.False(t, list[i].Applied)
			list[i].Applied = true
		}
		require.Equal(t, list, done)
		require.EqualValues(t, postgres.SchemaVersion, done[len(done)-1].Version)
		list, err = migrate.Status(t.Context(), config(t, url), schema)
		require.NoError(t, err)
		require.Equal(t, done, list)
		require.NoError(t, opening(t, url, schema))
		done, err = migrate.Up(t.Context(), config(t, url), schema)
		require.NoError(t, err)
		require.Empty(t, done)
	}
}

// What the first version stored is there after the migrations behind it.
func TestUpFromFirst(t *testing.T) {
	url := pgtest.New(t)
	_, err := migrate.Up(t.Context(), config(t, url), "")
	require.NoError(t, err)
	scope := store.ScopeID{1}
	write := func(token string, m *store.Spend) store.Result {
		db, err := postgres.Open(t.Context(), pgtest.Pool(t, url), nil)
		require.NoError(t, err)
		out, err := db.Cards().Write(t.Context(), []store.Write{{Row: store.Row{Scope: scope, Token: token, Status: store.Active}, Spend: m}}, nil)
		require.NoError(t, err)
		return out[0].Result
	}
	require.Equal(t, store.Written, write("a", nil))
	pgtest.Exec(t, url, "DROP TABLE cardseal.spent, cardseal.capture_keys, cardseal.codes", // as it was at version 1
		"DELETE FROM cardseal."+postgres.VersionTable+" WHERE version_id > 1")
	err = opening(t, url, "")
	require.ErrorIs(t, err, postgres.ErrSchema)
	require.ErrorContains(t, err, fmt.Sprintf("at version 1, this version needs %d", postgres.SchemaVersion))
	pgtest.Exec(t, url, migrate.Roles()) // grants nothing yet
	done, err := migrate.Up(t.Context(), config(t, url), "")
	require.NoError(t, err)
	require.Len(t, done, postgres.SchemaVersion-1)
	require.Equal(t, store.TokenTaken, write("a", nil))
	require.Equal(t, store.Written, write("b", &store.Spend{Until: 1}))
	require.Equal(t, store.Spent, write("c", &store.Spend{Until: 1}))
}

func TestUpAtOnce(t *testing.T) {
	url := pgtest.New(t)
	c := config(t, url)
	var wg sync.WaitGroup
	var ran [3]int
	for i := range ran {
		wg.Go(func() {
			done, err := migrate.Up(t.Context(), c, "")
			if err != nil {
				t.Error(err)
			}
			ran[i] = len(done)
		})
	}
	wg.Wait()
	list, err := migrate.Status(t.Context(), c, "")
	require.NoError(t, err)
	require.Equal(t, len(list), ran[0]+ran[1]+ran[2])
	require.NoError(t, opening(t, url, ""))
}

// What a database can look like when something went wrong.
func TestOpenRefuses(t *testing.T) {
	const table = "cardseal." + postgres.VersionTable
	for name, c := range map[string]struct {
		spoil string
		want  error
		says  string
	}{
		"newer":          {fmt.Sprintf("INSERT INTO %s (version_id, is_applied) VALUES (%d, true)", table, postgres.SchemaVersion+1), store.ErrNewer, "knows up to"},
		"older":          {fmt.Sprintf("DELETE FROM %s WHERE version_id > 0", table), postgres.ErrSchema, "no migration was completed"},
		"no note":        {"DROP TABLE " + table, postgres.ErrSchema, "store migrate"},
		"a table short":  {"DROP TABLE cardseal.calls", postgres.ErrSchema, "lacks tables or columns"},
		"no codes":       {"DROP TABLE cardseal.codes", postgres.ErrSchema, "lacks tables or columns"},
		"a column short": {"ALTER TABLE cardseal.cards DROP COLUMN index_values", postgres.ErrSchema, "lacks tables or columns"},
	} {
		t.Run(name, func(t *testing.T) {
			url := pgtest.New(t)
			_, err := migrate.Up(t.Context(), config(t, url), "")
			require.NoError(t, err)
			pgtest.Exec(t, url, c.spoil)
			err = opening(t, url, "")
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
			if errors.Is(c.want, store.ErrNewer) {
				_, err = migrate.Up(t.Context(), config(t, url), "")
				require.ErrorIs(t, err, c.want)
				_, err = migrate.Status(t.Context(), config(t, url), "")
				require.ErrorIs(t, err, c.want)
			}
		})
	}
}

// as is a pool that has taken on a role.
func as(role string) func(*pgxpool.Config) {
	return func(c *pgxpool.Config) {
		c.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "SET ROLE "+role)
			return err
		}
	}
}

func openingAs(t *testing.T, url, role string) error {
	_, err := postgres.Open(t.Context(), pgtest.Pool(t, url, as(role)), nil)
	return err
}

// The owner makes the tables, the service uses them and changes none, the auditor
// reads nothing sealed. That a service may do all it needs the store's own tests
// show.
func TestRoles(t *testing.T) {
	url := pgtest.New(t)
	pgtest.Exec(t, url, migrate.Roles(), migrate.Roles())
	owner := config(t, url)
	owner.RuntimeParams["role"] = "cardseal_owner"
	_, err := migrate.Up(t.Context(), owner, "")
	require.NoError(t, err)
	require.ErrorIs(t, openingAs(t, url, "cardseal_service"), postgres.ErrPermission)
	pgtest.Exec(t, url, migrate.Roles())
	require.NoError(t, openingAs(t, url, "cardseal_service"))

	try := func(role, statement string) error {
		_, err := pgtest.Pool(t, url, as(role)).Exec(t.Context(), statement)
		return err
	}
	for _, statement := range []string{
		"CREATE TABLE cardseal.mine ()", "ALTER TABLE cardseal.cards ADD COLUMN mine text", "DROP TABLE cardseal.cards",
		"TRUNCATE cardseal.cards", "DELETE FROM cardseal.cards", "DELETE FROM cardseal.fences", "DELETE FROM cardseal.data_keys",
		"DELETE FROM cardseal.repositories", "DELETE FROM cardseal.capture_keys", "UPDATE cardseal.unique_values SET token = ''",
		"UPDATE cardseal." + postgres.VersionTable + " SET version_id = 9",
	} {
		require.ErrorContains(t, try("cardseal_service", statement), "SQLSTATE 42501", statement)
	}
	require.NoError(t, try("cardseal_auditor", "SELECT token, bin, last_four, status FROM cardseal.cards"))
	require.NoError(t, try("cardseal_auditor", "SELECT id, state, keks FROM cardseal.data_keys"))
	require.NoError(t, try("cardseal_auditor", "SELECT scope, alias, id, created, retires, data_key FROM cardseal.capture_keys"))
	for _, statement := range []string{
		"SELECT sealed FROM cardseal.capture_keys", "SELECT * FROM cardseal.spent",
		"SELECT sealed FROM cardseal.cards", "SELECT index_values FROM cardseal.cards", "SELECT * FROM cardseal.unique_values",
		"SELECT * FROM cardseal.calls", "SELECT record FROM cardseal.codes", "SELECT card FROM cardseal.codes", "SELECT wrappings FROM cardseal.data_keys", "UPDATE cardseal.cards SET status = 1",
	} {
		require.ErrorContains(t, try("cardseal_auditor", statement), "SQLSTATE 42501", statement)
	}
}

// The two sets do not know each other's tables: neither is taken for the other.
func TestUpEphemeral(t *testing.T) {
	url := pgtest.New(t)
	_, err := postgres.OpenEphemeral(t.Context(), pgtest.Pool(t, url), nil)
	require.ErrorIs(t, err, postgres.ErrSchema)
	require.ErrorContains(t, err, "store migrate --codes")
	list, err := migrate.StatusEphemeral(t.Context(), config(t, url), "")
	require.NoError(t, err)
	require.Equal(t, []migrate.Migration{{Version: 1, Name: "00001_tables.sql"}}, list)
	done, err := migrate.UpEphemeral(t.Context(), config(t, url), "")
	require.NoError(t, err)
	require.EqualValues(t, postgres.EphemeralVersion, done[len(done)-1].Version)
	list, err = migrate.StatusEphemeral(t.Context(), config(t, url), "")
	require.NoError(t, err)
	require.Equal(t, done, list)
	_, err = postgres.OpenEphemeral(t.Context(), pgtest.Pool(t, url), nil)
	require.NoError(t, err)
	require.ErrorIs(t, opening(t, url, ""), postgres.ErrSchema)
	_, err = migrate.Up(t.Context(), config(t, url), "")
	require.Error(t, err, "the tables of a card store beside codes that are to be forgotten")

	pgtest.Exec(t, url, fmt.Sprintf("INSERT INTO cardseal.%s (version_id, is_applied) VALUES (%d, true)",
		postgres.EphemeralVersionTable, postgres.EphemeralVersion+1))
	_, err = postgres.OpenEphemeral(t.Context(), pgtest.Pool(t, url), nil)
	require.ErrorIs(t, err, store.ErrNewer)
	_, err = migrate.UpEphemeral(t.Context(), config(t, url), "")
	require.ErrorIs(t, err, store.ErrNewer)

	durable := pgtest.New(t)
	_, err = migrate.Up(t.Context(), config(t, durable), "")
	require.NoError(t, err)
	_, err = postgres.OpenEphemeral(t.Context(), pgtest.Pool(t, durable), nil)
	require.ErrorIs(t, err, postgres.ErrSchema)
}

func TestEphemeralRoles(t *testing.T) {
	url := pgtest.New(t)
	pgtest.Exec(t, url, migrate.EphemeralRoles(), migrate.EphemeralRoles())
	owner := config(t, url)
	owner.RuntimeParams["role"] = "cardseal_owner"
	_, err := migrate.UpEphemeral(t.Context(), owner, "")
	require.NoError(t, err)
	service := pgtest.Pool(t, url, as("cardseal_service"))
	_, err = postgres.OpenEphemeral(t.Context(), service, nil)
	require.ErrorIs(t, err, postgres.ErrPermission)
	pgtest.Exec(t, url, migrate.EphemeralRoles())
	_, err = postgres.OpenEphemeral(t.Context(), service, nil)
	require.NoError(t, err)
	for _, statement := range []string{
		"CREATE TABLE cardseal.mine ()", "ALTER TABLE cardseal.codes SET LOGGED", "DROP TABLE cardseal.codes",
		"DELETE FROM cardseal.fences", "DELETE FROM cardseal.data_keys",
	} {
		_, err := service.Exec(t.Context(), statement)
		require.ErrorContains(t, err, "SQLSTATE 42501", statement)
	}
}
