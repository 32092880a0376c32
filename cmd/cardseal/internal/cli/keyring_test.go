package cli

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// ownKeys are the IDs of a repository's own keys of a purpose by state.
func (w *world) ownKeys(repository string, p keys.Purpose) map[string]string {
	w.t.Helper()
	got := map[string]string{}
	for _, k := range lines[listedKey](w.t, w.ok("keys", "list", "--repository", repository, "--json")) {
		require.Equal(w.t, repository, k.Repository)
		if k.Ring == p {
			got[k.State] = k.ID
		}
	}
	return got
}

// Keys that are a repository's own are listed with the others, and what is done to
// them leaves the others alone.
func TestKeysOfOneRepository(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.token()
		require.Contains(t, w.ok("repo", "create", "OWN", "--per-scope-keys").out, "keys of its own")
		w.ok("repo", "create", "OTHER", "--per-scope-keys")
		token := w.amex("OWN")
		shared, first := w.key(keys.PAN, "active"), w.ownKeys("OWN", keys.PAN)["active"]
		require.NotEqual(t, shared, first)
		require.Empty(t, w.ownKeys("OTHER", keys.PAN))
		require.Contains(t, w.ok("keys", "list").out, first)

		w.ok("keys", "rotate", "--purpose", "pan", "--repository", "OWN", "--actor", "custodian-1")
		require.Equal(t, shared, w.key(keys.PAN, "active"), "rotated with it")
		require.Equal(t, first, w.ownKeys("OWN", keys.PAN)["retired"])
		require.Contains(t, w.auditLog(), `"action":"rotate-key","outcome":"done","repository":"OWN","owner":"custodian-1"`)
		require.Contains(t, w.run("doctor").out, "ring pan of OWN: the active key is 0 days old")
		require.Contains(t, w.ok("keys", "inventory").out, ", of repository OWN")
		require.Contains(t, w.ok("keys", "census").out, first+"  retired    1 records, of repository OWN")
		moved := lines[rewrapped](t, w.ok("keys", "rewrap", "--purpose", "pan", "--repository", "OWN", "--json"))
		require.Equal(t, []rewrapped{{Ring: keys.PAN, Repository: "OWN", Keys: 2, Moved: 2}}, moved)

		time.Sleep(10 * time.Minute)
		w.ok("keys", "destroy", first, "--confirm", first, "--shred")
		require.Contains(t, w.auditLog(), `"action":"destroy-key","outcome":"done","repository":"OWN"`)
		in := w.write("t", token+"\n")
		require.Equal(t, ExitPart, w.run("detokenize", "--in", in, "--out", w.path("n"), "--reason", "x", "--repository", "OWN").code)
		require.Equal(t, w.token(), w.token(), "the others' cards are there")

		for _, args := range [][]string{{"list"}, {"rotate", "--purpose", "pan"}, {"rewrap"}} {
			w.fails(ExitUsage, "no such keys of its own", append(append([]string{"keys"}, args...), "--repository", "DEFAULT")...)
		}
		w.fails(ExitUsage, "no such keys of its own", "keys", "rotate", "--purpose", "audit", "--repository", "OWN")
	})
}
