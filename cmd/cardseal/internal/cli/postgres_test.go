package cli

import (
	"encoding/csv"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pgtest"
)

// database is a new database's URI without the password, which is in the
// environment.
func database(t *testing.T) string {
	t.Helper()
	u, err := url.Parse(pgtest.New(t))
	require.NoError(t, err)
	password, _ := u.User.Password()
	t.Setenv("PGPASSWORD", password)
	u.User = url.User(u.User.Username())
	return u.String()
}

// A vault in PostgreSQL, from its tables to the numbers back.
func TestVaultInPostgres(t *testing.T) {
	uri := database(t) // before the home folder is another
	w := newWorld(t)
	dir := w.path("vault")

	r := w.run("store", "status", "--store", uri)
	require.Equal(t, ExitFailed, r.code, r.err)
	require.Contains(t, r.out, "missing")
	require.Contains(t, r.err, "store migrate")
	r = w.run("init", "--dir", dir, "--store", uri)
	require.Equal(t, ExitFailed, r.code, r.err)
	require.Contains(t, r.err, "store migrate") // never made by the way
	r = w.run("store", "migrate", "--store", uri, "--json")
	require.Equal(t, ExitDone, r.code, r.err)
	require.Contains(t, r.out, `"applied":true`)

	require.Equal(t, ExitDone, w.run("init", "--dir", dir, "--store", uri).code)
	require.Contains(t, w.read("vault/settings.json"), "postgres://")
	for _, args := range [][]string{{"store", "migrate"}, {"store", "status"}, {"keys", "list"}, {"repo", "list"}} {
		r := w.run(append(args, "--dir", dir)...)
		require.Equal(t, ExitDone, r.code, "%v: %s", args, r.err)
	}
	in := w.write("cards.csv", "number,expiry\n"+number+",12/30\n5555555555554444,01/31\n")
	r = w.run("tokenize", "--dir", dir, "--in", in, "--out", w.path("tokens.csv"))
	require.Equal(t, ExitDone, r.code, r.err)
	r = w.run("detokenize", "--dir", dir, "--in", w.path("tokens.csv"), "--out", w.path("numbers.csv"), "--reason", "test")
	require.Equal(t, ExitDone, r.code, r.err)
	require.Contains(t, w.read("numbers.csv"), number)
	rows, err := csv.NewReader(strings.NewReader(w.read("tokens.csv"))).ReadAll()
	require.NoError(t, err)
	token := rows[1][0]
	for _, args := range [][]string{
		{"token", "get", token},
		{"keys", "rotate", "--purpose", "pan"}, {"repo", "show", "DEFAULT"},
	} {
		r := w.run(append(args, "--dir", dir)...)
		require.Equal(t, ExitDone, r.code, "%v: %s", args, r.err)
	}
	r = w.run("doctor", "--dir", dir)
	require.Equal(t, ExitFailed, r.code) // the key is in a file
	require.Contains(t, r.out, "PostgreSQL")
	require.Contains(t, r.out, "superuser")
	require.Contains(t, r.out, "DEFAULT")

	// Another machine's folder must name the same key.
	r = w.run("init", "--dir", w.path("other"), "--store", uri)
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "--kek")
}

func TestStoreURIs(t *testing.T) {
	w := newWorld(t)
	for uri, says := range map[string]string{
		"postgres://u:topsecret@localhost/cards":        "PGPASSWORD",
		"postgres://localhost/cards?password=topsecret": "PGPASSWORD",
		"postgresql://u:topsecret@localhost/cards":      "PGPASSWORD",
		"postgres://localhost/cards?sslmode=topsecret":  "cannot be used",
		"postgres://localhost:topsecret/cards":          "not an address",
		"postgres:cards":                                "not an address",
		"mysql://u:topsecret@localhost/cards":           "not supported",
	} {
		for _, args := range [][]string{{"init", "--dir", w.path("v")}, {"store", "migrate"}, {"store", "status"}} {
			r := w.run(append(args, "--store", uri)...)
			require.Equal(t, ExitUsage, r.code, uri)
			require.Contains(t, r.err, says, uri)
			require.NotContains(t, r.out+r.err, "topsecret", uri)
		}
	}
	require.NoFileExists(t, w.path("v"))
	r := w.run("init", "--dir", w.path("v"), "--store", "postgres://127.0.0.1:1/cards?sslmode=disable&connect_timeout=2")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "cannot be reached")
}

func TestStoreStatusOfFile(t *testing.T) {
	w := newWorld(t)
	require.Equal(t, ExitDone, w.run("init").code)
	for _, args := range [][]string{{"store", "status"}, {"store", "migrate"}} {
		r := w.run(args...)
		require.Equal(t, ExitDone, r.code, r.err)
	}
	r := w.run("store", "grants")
	require.Equal(t, ExitDone, r.code)
	require.Contains(t, r.out, "cardseal_service")
}
