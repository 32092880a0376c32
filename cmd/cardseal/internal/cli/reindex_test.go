package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/tokenize/store"
)

// indexKeys are what keys list says of the index ring, oldest first.
func (w *world) indexKeys() (ids []string) {
	w.t.Helper()
	for _, line := range strings.Split(strings.TrimSpace(w.ok("keys", "list", "--json").out), "\n") {
		var k listedKey
		require.NoError(w.t, json.Unmarshal([]byte(line), &k))
		if k.Ring == "index" {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

func TestReindex(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	w.ok("repo", "create", "EMPTY")
	require.Contains(t, w.ok("reindex").err, "nothing to do")

	in := w.write("in.csv", "number\n"+number+"\n4012888888881881\n")
	tokens := func(repository, out string) []string {
		w.ok("tokenize", "--in", in, "--out", w.path(out), "--repository", repository)
		return w.column(w.path(out), "token")
	}
	a, b := tokens("A", "a1"), tokens("B", "b1")
	require.Len(t, w.indexKeys(), 1)

	r := w.ok("reindex", "--json", "--actor", "operator-1")
	require.Len(t, w.indexKeys(), 2, "one new key for all")
	lines := strings.Split(strings.TrimSpace(r.out), "\n")
	require.Len(t, lines, 2)
	for i, id := range []string{"A", "B"} {
		var got reindexed
		require.NoError(t, json.Unmarshal([]byte(lines[i]), &got))
		require.Equal(t, id, got.Repository)
		require.Equal(t, int64(4), got.Changed)
		require.Contains(t, w.indexKeys(), got.Key)
	}
	require.Equal(t, a, tokens("A", "a2"))
	require.Equal(t, b, tokens("B", "b2"))
	done := 0
	for _, e := range w.auditEvents() {
		if e["action"] == "reindex" && e["outcome"] == "done" {
			require.Equal(t, "operator-1", e["owner"])
			done++
		}
	}
	require.Equal(t, 2, done)

	// One alone; then the other is behind, and takes the key that is there.
	w.ok("reindex", "--repository", "A")
	require.Len(t, w.indexKeys(), 3)
	r = w.ok("reindex")
	require.Contains(t, r.out, "A  is found by the active key already")
	require.Contains(t, r.out, "B  is found by")
	require.Len(t, w.indexKeys(), 3)
	require.Equal(t, b, tokens("B", "b3"))

	r = w.run("reindex", "--rows-per-second", "-1")
	require.Equal(t, ExitUsage, r.code)
	r = w.run("reindex", "--repository", "NONE")
	require.Equal(t, ExitUsage, r.code)
}

// Keys that are a repository's own are replaced beside those that are shared.
func TestReindexOfKeysOfOneRepository(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	for _, id := range []string{"A", "B", "C"} {
		if id != "C" {
			w.ok("repo", "create", id, "--per-scope-keys")
		}
		w.ok("tokenize", "--in", w.write("in", number+"\n"), "--out", w.path("t"+id), "--repository", id)
	}
	w.ok("tokenize", "--in", w.write("in", number+"\n"), "--out", w.path("tD"), "--repository", "D")
	require.Len(t, w.indexKeys(), 3)
	got := lines[reindexed](t, w.ok("reindex", "--json"))
	require.Len(t, w.indexKeys(), 6, "one new key for each ring")
	keys := map[string]bool{}
	for _, r := range got {
		require.Equal(t, int64(2), r.Changed, r.Repository)
		keys[r.Key] = true
	}
	require.Len(t, got, 4)
	require.Len(t, keys, 3)

	// One that is behind makes no other ring wait, and none is made for its own.
	w.ok("reindex", "--repository", "C")
	require.Len(t, w.indexKeys(), 7)
	require.Len(t, lines[reindexed](t, w.ok("reindex", "--json")), 4)
	require.Len(t, w.indexKeys(), 9)
}

// watched ends a run once a word was written to it.
type watched struct {
	bytes.Buffer
	word string
	stop func()
}

func (w *watched) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte(w.word)) {
		w.stop()
	}
	return w.Buffer.Write(b)
}

// A run that is stopped says how to go on, doctor says that it is not through, and
// the same command completes it. A damaged card stands in the way and is named.
func TestReindexGoesOn(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", "number\n"+number+"\n4012888888881881\n")
	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"))
	bad := w.column(w.path("t.csv"), "token")[0]
	w.alter(bad)

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	said := &watched{word: bad, stop: cancel}
	var out bytes.Buffer
	code := Run(ctx, []string{"reindex"}, strings.NewReader(""), &out, said)
	require.Equal(t, ExitFailed, code)
	require.Contains(t, said.String(), "interrupted in DEFAULT, filling, after 0 rows; the same command goes on from there")

	r := w.run("reindex")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "DEFAULT: token "+bad)
	require.Contains(t, r.err, "1 cards stand in the way")
	require.Contains(t, w.run("doctor").out, "DEFAULT: its index key is being replaced (filling)")

	r = w.ok("reindex", "--leave-unindexed")
	require.Contains(t, r.err, bad)
	require.NotContains(t, w.run("doctor").out, "being replaced")
	require.Len(t, w.indexKeys(), 2)
}

// alter damages a token's sealed card.
func (w *world) alter(token string) {
	w.t.Helper()
	ctx := context.Background()
	db, err := bolt.Open(ctx, filepath.Join(w.vaultDir(), "vault.bolt"), nil)
	require.NoError(w.t, err)
	defer db.Close()
	repos, err := db.Cards().Repositories(ctx)
	require.NoError(w.t, err)
	rows, err := db.Cards().Get(ctx, repos[0].Scope, []string{token})
	require.NoError(w.t, err)
	rows[0].RecordID[0] ^= 1
	out, err := db.Cards().Write(ctx, []store.Write{{Row: rows[0], Epoch: repos[0].Epoch}}, nil)
	require.NoError(w.t, err)
	require.Equal(w.t, store.Written, out[0].Result)
}
