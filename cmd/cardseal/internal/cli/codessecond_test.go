package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pgtest"
)

// With a second database the keys of codes lie in halves, which are put together and
// destroyed in both.
func TestCodesSecond(t *testing.T) {
	first, second := database(t), database(t)
	one, other := asAdmin(t, first), asAdmin(t, second)
	w := newWorld(t)
	w.fails(ExitUsage, "--codes-second goes with --codes", "init", "--codes-second", second)
	w.fails(ExitUsage, "--codes-second goes with --codes", "init", "--codes", first, "--codes-second", first)
	w.fails(ExitUsage, "names another database", "init", "--codes", first, "--codes-second", first+"&schema=other")
	w.ok("store", "migrate", "--codes", first)
	require.Equal(t, ExitFailed, w.run("init", "--codes", first, "--codes-second", second).code, "no tables")
	w.ok("store", "migrate", "--codes", second)
	// The first under another name, which only the server knows it by.
	alias := strings.Replace(first, "127.0.0.1", "localhost", 1)
	require.NotEqual(t, first, alias)
	w.fails(ExitUsage, "names another database", "init", "--codes", first, "--codes-second", alias)
	w.ok("store", "migrate", "--codes", alias+"&schema=other")
	w.fails(ExitUsage, "names another database", "init", "--codes", first, "--codes-second", alias+"&schema=other")
	require.False(t, exists(w.vaultDir()))
	w.ok("init", "--codes", first, "--codes-second", second)
	require.Equal(t, 2, strings.Count(w.ok("store", "status").out, "(security codes)"))
	w.ok("repo", "create", "SHOP")
	token := w.amex("SHOP")
	require.Equal(t, ExitDone, w.cvc(secretCode, "put", token, "--repository", "SHOP").code)
	require.Equal(t, "the security code is right\n", w.cvc(secretCode, "verify", token, "--repository", "SHOP").out)
	require.Equal(t, []string{"half of"}, answers(t, one, "SELECT DISTINCT left(unnest(keks), 7) FROM cardseal.data_keys"))
	require.Equal(t, []string{"retired"}, answers(t, other, "SELECT CASE state WHEN 2 THEN 'retired' ELSE state::text END FROM cardseal.data_keys WHERE wrappings <> '{}'"))

	doctor := w.run("doctor")
	require.Equal(t, 2, strings.Count(doctor.out, "UNLOGGED tables at postgres://"))
	require.Contains(t, doctor.out, "copies of both databases")

	pgtest.Exec(t, one, "UPDATE cardseal.codes SET expires = expires - 3600000", "UPDATE cardseal.data_keys SET created = created - 3600")
	require.Equal(t, "retired", w.epochs()[0].State)
	pgtest.Exec(t, one, "UPDATE cardseal.data_keys SET changed = changed - 3600")
	require.Equal(t, "destroyed", w.epochs()[0].State)
	for _, url := range []string{one, other} {
		require.Equal(t, []string{"0"}, answers(t, url, "SELECT coalesce(sum(array_length(wrappings, 1)), 0)::text FROM cardseal.data_keys"))
	}

	path := w.vaultDir() + "/settings.json"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), `"codesSecond": "`+second, `"codesSecond": "`+alias, 1)), 0o600))
	w.fails(ExitFailed, "is the first", "cvc", "erasures")
	doctor = w.run("doctor")
	require.Contains(t, doctor.out, "fail  codes")
	require.Contains(t, doctor.out, "are one database")
	require.NotContains(t, doctor.out, "copies of both databases")

	require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), `"codes":`, `"store":`, 1)), 0o600))
	r := w.run("cvc", "erasures")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, `"codesSecond" that goes with no "codes"`)
}

// asAdmin is a database as its server's administrator reaches it.
func asAdmin(t *testing.T, url string) string {
	return pgtest.Database(pgtest.Server(t), strings.TrimPrefix(mustPath(t, url), "/"))
}

// answers is what a query answers, one text a row.
func answers(t *testing.T, url, query string) []string {
	t.Helper()
	rows, err := pgtest.Pool(t, url).Query(t.Context(), query)
	require.NoError(t, err)
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(t, err)
	return all
}
