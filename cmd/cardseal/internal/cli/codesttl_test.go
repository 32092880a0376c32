package cli

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pgtest"
)

// A program that keeps codes for less time than a service does would end epochs under
// it: how long is a setting of the vault's.
func TestCodesTTL(t *testing.T) {
	codes := database(t)
	admin := asAdmin(t, codes)
	w := newWorld(t)
	w.ok("store", "migrate", "--codes", codes)
	for _, args := range [][]string{{"--codes-ttl", "1h"}, {"--codes", codes, "--codes-ttl", "25h"}, {"--codes", codes, "--codes-ttl", "0s"}} {
		w.fails(ExitUsage, "--codes-ttl goes with --codes", append([]string{"init"}, args...)...)
	}
	w.ok("init", "--codes", codes, "--codes-ttl", "2h")
	w.ok("repo", "create", "SHOP")
	require.Equal(t, ExitDone, w.cvc(secretCode, "put", w.amex("SHOP"), "--repository", "SHOP").code)

	// An hour passes, as the database has it, and another half after the key's end.
	pgtest.Exec(t, admin, "UPDATE cardseal.codes SET expires = expires - 3600000", "UPDATE cardseal.data_keys SET created = created - 3600")
	require.Equal(t, "retired", w.epochs()[0].State)
	pgtest.Exec(t, admin, "UPDATE cardseal.data_keys SET changed = changed - 1800")
	after := w.epochs()
	require.Equal(t, "retired", after[0].State)
	require.Equal(t, uint64(1), after[0].Codes)

	path := w.vaultDir() + "/settings.json"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for _, wrong := range []string{"soon", "25h0m0s", "-1s"} {
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), "2h0m0s", wrong, 1)), 0o600))
		r := w.run("cvc", "erasures")
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, `"codesTTL" that is no time`)
	}
}
