package cli

import (
	"net/url"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
)

// A vault in PostgreSQL, an issuer's codes in its own tables, and the codes of another
// repository in a database that forgets them.
func TestCVCInPostgres(t *testing.T) { notTwice(t, codesInPostgres) }

func codesInPostgres(t *testing.T) *world {
	cards, codes := database(t), database(t)
	w := newWorld(t)
	r := w.run("init", "--codes", codes)
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "store migrate --codes")
	require.False(t, exists(w.vaultDir()), "made for nothing")
	require.Contains(t, w.ok("store", "migrate", "--store", cards).out, "00003_codes.sql")
	all := lines[listedMigration](t, w.ok("store", "migrate", "--codes", codes, "--json"))
	require.Equal(t, []listedMigration{{1, "00001_tables.sql", true, true}}, all)
	beside := cards + "&schema=codes"
	w.ok("store", "migrate", "--codes", beside)
	w.fails(ExitFailed, "codes belong into a database of their own", "init", "--store", cards, "--codes", beside)
	w.ok("init", "--store", cards, "--codes", codes)
	r = w.ok("store", "status")
	require.Contains(t, r.out, "applied  00001_tables.sql  (security codes)")
	require.Contains(t, r.err, "the database for security codes can be used")
	w.ok("store", "migrate")
	require.Contains(t, w.ok("store", "grants", "--codes").out, "ephemeral")

	w.ok("repo", "create", "ISSUED", "--issuer-codes")
	w.ok("repo", "create", "SHOP")
	issued, token := w.amex("ISSUED"), w.amex("SHOP")
	require.Equal(t, ExitDone, w.cvc(secretCode, "put", issued, "--repository", "ISSUED").code)
	require.Equal(t, "the security code is right\n", w.cvc(secretCode, "verify", issued, "--repository", "ISSUED").out)
	require.Empty(t, w.epochs(), "an issuer's key is none of these")

	// Each owner has a code of his own, and knows nothing of the others'.
	site := []string{"--repository", "SHOP", "--owner-type", "Site", "--owner", "S-1"}
	own := func(line string, args ...string) ran { return w.cvc(line, append(args, "--repository", "SHOP")...) }
	sites := func(line string, args ...string) ran { return w.cvc(line, append(args, site...)...) }
	s := w.status(own(secretCode, "put", token, "--json"))
	require.Equal(t, 1, s.Reads)
	require.Equal(t, "15m0s", s.Expires.Sub(s.Created).String())
	require.Equal(t, ExitFailed, sites(secretCode, "verify", token).code)
	require.Equal(t, ExitDone, sites(wrongCode, "put", token).code)
	require.Equal(t, "the security code is right\n", sites(wrongCode, "verify", token).out)
	r = own(wrongCode, "verify", token)
	require.Contains(t, r.err, "attempts left: 2")
	require.Contains(t, w.auditLog(), `"reason":"owner Site S-1, counter card"`)

	require.Equal(t, secretCode+"\n", own("", "retrieve", token, "--out", "-").out)
	require.Equal(t, ExitFailed, own("", "retrieve", token, "--out", "-").code, "once and no more")
	require.Contains(t, sites("", "authorized", token).err, "is erased")
	require.Equal(t, ExitFailed, sites("", "status", token).code)
	require.Equal(t, ExitDone, sites("", "authorized", token).code, "it is gone already")
	r = own("", "allocate", token)
	require.Equal(t, ExitUsage, r.code)
	require.Contains(t, r.err, "repository SHOP keeps codes that others issued")

	// Deleting the token erases its code.
	require.Equal(t, ExitDone, own(secretCode, "put", token).code)
	require.Equal(t, uint64(1), w.epochs()[0].Codes)
	w.ok("token", "delete", token, "--repository", "SHOP")
	require.Zero(t, w.epochs()[0].Codes)

	census := lines[countedKey](t, w.ok("keys", "census", "--json"))
	for _, k := range census {
		require.NotEqual(t, w.epochs()[0].Key, k.ID)
		if k.Ring == keys.CVC {
			require.Equal(t, uint64(1), *k.Records)
		}
	}
	require.Contains(t, w.ok("keys", "inventory").out, "seal security codes until they expire")
	doctor := w.run("doctor")
	for _, want := range []string{"UNLOGGED tables at postgres://", "a copy of that database taken while codes are in it", "while a process sweeps", "security codes are kept for good"} {
		require.Contains(t, doctor.out, want)
	}
	require.NotContains(t, doctor.out, "the database does not wait for its disk")
	w.noCodes(doctor.out + doctor.err)
	return w
}

// epochs are the keys that cvc erasures shows.
func (w *world) epochs() []epoch {
	w.t.Helper()
	return lines[epoch](w.t, w.ok("cvc", "erasures", "--json"))
}

// Keys that nothing needs are destroyed by the next command that sweeps, with receipts
// in the audit log. A key that is back is told of.
func TestCVCErasures(t *testing.T) {
	codes := database(t)
	admin := asAdmin(t, codes)
	w := newWorld(t)
	w.ok("store", "migrate", "--codes", codes)
	w.ok("init", "--codes", codes)
	w.ok("repo", "create", "SHOP")
	token := w.amex("SHOP")
	require.Equal(t, ExitDone, w.cvc(secretCode, "put", token, "--repository", "SHOP").code)
	before := w.epochs()
	require.Len(t, before, 1)
	require.Equal(t, "active", before[0].State)

	// An hour passes, as the database has it.
	pgtest.Exec(t, admin, "CREATE TABLE saved AS SELECT * FROM cardseal.data_keys",
		"UPDATE cardseal.codes SET expires = expires - 3600000", "UPDATE cardseal.data_keys SET created = created - 3600")
	after := w.epochs()
	require.Equal(t, "retired", after[0].State)
	require.Zero(t, after[0].Codes)
	pgtest.Exec(t, admin, "UPDATE cardseal.data_keys SET changed = changed - 3600")
	after = w.epochs()
	require.Equal(t, "destroyed", after[0].State)
	require.NotNil(t, after[0].Destroyed)
	require.Zero(t, *after[0].Lost)
	require.Contains(t, w.ok("cvc", "erasures").out, ", destroyed ")
	require.Contains(t, w.ok("keys", "receipts").out, after[0].Key)
	require.Equal(t, ExitFailed, w.cvc("", "status", token, "--repository", "SHOP").code)

	pgtest.Exec(t, admin, "UPDATE cardseal.data_keys d SET state = s.state, keks = s.keks, wrappings = s.wrappings, created = s.created FROM saved s WHERE s.id = d.id")
	back := func(state string) {
		t.Helper()
		r := w.run("cvc", "erasures")
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.out, state)
		require.Contains(t, r.out, ", and back from an old copy\n")
		require.Contains(t, r.err, "put back from an old copy")
		require.Contains(t, w.run("cvc", "erasures", "--json").out, `"back":true`)
	}
	back("active")
	// Destroyed again by the command itself, some time after the first.
	pgtest.Exec(t, admin, "UPDATE cardseal.data_keys SET state = 2, created = created - 7200, changed = changed - 7200")
	w.run("cvc", "erasures")
	pgtest.Exec(t, admin, "UPDATE cardseal.data_keys SET changed = changed + 60")
	back("destroyed")

	// A log that does not verify proves nothing.
	log := w.vaultDir() + "/audit.log"
	text, err := os.ReadFile(log)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(log, []byte(strings.Replace(string(text), `"put-code"`, `"get-code"`, 1)), 0o600))
	w.fails(ExitFailed, "no receipt in it counts", "cvc", "erasures")
}

func mustPath(t *testing.T, uri string) string {
	t.Helper()
	u, err := url.Parse(uri)
	require.NoError(t, err)
	return u.Path
}

func TestCodesURIs(t *testing.T) {
	codes := database(t)
	admin := asAdmin(t, codes)
	w := newWorld(t)
	for uri, says := range map[string]string{
		"bolt:codes.bolt":                "not supported",
		"postgres://u:topsecret@host/db": "PGPASSWORD",
		"postgres:codes":                 "not an address",
		"%":                              "not an address",
	} {
		for _, args := range [][]string{{"init", "--dir", w.path("v")}, {"store", "migrate"}, {"store", "status"}} {
			r := w.run(append(args, "--codes", uri)...)
			require.Equal(t, ExitUsage, r.code, uri)
			require.Contains(t, r.err, says, uri)
			require.NotContains(t, r.err, "topsecret")
		}
	}
	require.False(t, exists(w.path("v")))

	// A database that keeps what it is given is refused, and doctor says why.
	w.ok("store", "migrate", "--codes", codes)
	w.ok("init", "--codes", codes)
	pgtest.Exec(t, admin, "ALTER TABLE cardseal.codes SET LOGGED")
	status := w.run("store", "status")
	require.Equal(t, ExitFailed, status.code)
	require.Contains(t, status.err, "codes is not UNLOGGED")
	w.ok("repo", "create", "SHOP")
	r := w.cvc(secretCode, "put", w.amex("SHOP"), "--repository", "SHOP")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "codes is not UNLOGGED")
	r = w.run("doctor")
	require.Contains(t, r.out, "fail  codes")
	require.Contains(t, r.out, "codes is not UNLOGGED")
	require.Contains(t, r.out, "repository  ", "the rest is looked at")
}
