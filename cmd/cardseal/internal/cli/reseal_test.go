package cli

import (
	"bytes"
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// census is how many records need each key of the ring that cards are sealed under.
func (w *world) census() map[string]uint64 {
	w.t.Helper()
	got := map[string]uint64{}
	for _, k := range lines[countedKey](w.t, w.ok("keys", "census", "--json")) {
		if k.Ring == keys.PAN {
			got[k.ID] = *k.Records
		}
	}
	return got
}

func TestReseal(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	w.ok("repo", "create", "EMPTY")
	require.Contains(t, w.ok("reseal").out, "EMPTY  has nothing sealed")

	in := w.write("in.csv", "number\n"+number+"\n4012888888881881\n")
	for _, id := range []string{"A", "B"} {
		w.ok("tokenize", "--in", in, "--out", w.path(id), "--repository", id)
	}
	old := w.key(keys.PAN, "active")
	w.ok("keys", "rotate", "--purpose", "pan")
	next := w.key(keys.PAN, "active")
	require.Equal(t, []resealed{{keys.PAN, "A", next, 2, 0}},
		lines[resealed](t, w.ok("reseal", "--repository", "A", "--json", "--actor", "operator-1", "--rows-per-second", "1000")))
	require.Equal(t, map[string]uint64{old: 2, next: 2}, w.census())
	w.fails(ExitFailed, "2 records need the data key: cardseal reseal brings them", "keys", "destroy", old, "--confirm="+old)
	require.Contains(t, w.ok("reseal", "--ring", "pan").out, "B  is sealed under "+next+"; 2 rows written, 0 left")
	require.Equal(t, map[string]uint64{old: 0, next: 4}, w.census())
	require.Equal(t, []resealed{{keys.PAN, "A", next, 0, 0}, {keys.PAN, "B", next, 0, 0}, {keys.PAN, "EMPTY", next, 0, 0}},
		lines[resealed](t, w.ok("reseal", "--json")), "it may be run twice")
	for _, id := range []string{"A", "B"} {
		w.ok("detokenize", "--in", w.path(id), "--out", w.path(id+".back"), "--repository", id, "--reason", "test")
		require.Equal(t, []string{number, "4012888888881881"}, w.column(w.path(id+".back"), "number"))
	}
	for _, e := range w.auditEvents() {
		if e["action"] == "reseal" && e["repository"] == "A" {
			require.Equal(t, "operator-1", e["owner"])
			break
		}
	}

	w.fails(ExitUsage, "--rows-per-second must not be negative", "reseal", "--rows-per-second", "-1")
	w.fails(ExitUsage, "--ring is not one of pan, cvc", "reseal", "--ring", "nonsense")
	require.Equal(t, ExitUsage, w.run("reseal", "--repository", "NONE").code)
	require.Len(t, resealers, len(purposes))
	for _, p := range purposes {
		if r := resealers[p]; r.run == nil {
			require.NotEmpty(t, r.why)
			w.fails(ExitUsage, r.why, "reseal", "--ring", string(p))
		}
	}
}

// A run that is stopped says how to go on, and the same command completes it. A
// damaged card stays where it is and is named, and the status tells of it.
func TestResealGoesOn(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", "number\n"+number+"\n4012888888881881\n")
	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"))
	w.ok("tokenize", "--in", in, "--out", w.path("u.csv"), "--repository", "OTHER")
	bad := w.column(w.path("t.csv"), "token")[0]
	w.alter(bad)
	old := w.key(keys.PAN, "active")
	w.ok("keys", "rotate", "--purpose", "pan")

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	said := &watched{word: bad, stop: cancel}
	var out bytes.Buffer
	require.Equal(t, ExitFailed, Run(ctx, []string{"reseal"}, strings.NewReader(""), &out, said))
	require.Contains(t, said.String(), "interrupted in DEFAULT after 0 rows; the same command goes on from there")
	require.Empty(t, out.String())

	for range 2 {
		r := w.run("reseal")
		require.Equal(t, ExitPart, r.code, r.err)
		require.Contains(t, r.err, "DEFAULT: token "+bad)
		require.Contains(t, r.err, "1 cards cannot be opened")
		require.Contains(t, r.out, "1 left")
		require.Contains(t, r.out, "OTHER  is sealed under", "the others go on")
		require.Equal(t, uint64(1), w.census()[old])
	}
	w.ok("token", "delete", bad)
	require.NotContains(t, w.ok("reseal").err, bad)
	require.Zero(t, w.census()[old])
}

// Of all repositories those are done whose keys are there: a test twin's are not.
func TestResealBesideTwin(t *testing.T) {
	w := newWorld(t)
	w.token()
	ctx := context.Background()
	db, err := bolt.Open(ctx, filepath.Join(w.vaultDir(), "vault.bolt"), nil)
	require.NoError(t, err)
	repos, err := db.Cards().Repositories(ctx)
	require.NoError(t, err)
	_, err = db.Cards().CreateRepository(ctx, store.Repository{
		Scope: store.ScopeID{1}, Name: "TestDEFAULT", Config: bytes.Replace(repos[0].Config, []byte("DEFAULT"), []byte("TestDEFAULT"), 1),
	})
	require.NoError(t, err)
	require.NoError(t, db.Close())
	w.ok("keys", "rotate", "--purpose", "pan")
	for _, name := range []string{"reseal", "reindex"} {
		r := w.ok(name)
		require.Contains(t, r.out, "DEFAULT  is ")
		require.Contains(t, r.err, "TestDEFAULT is left out: it is a test twin")
		w.fails(ExitUsage, "test twin", name, "--repository", "TestDEFAULT")
	}
}
