package cli

import (
	"crypto/fips140"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// bubble runs a test on synctest's clock; FIPS mode has no randomness where time
// stands still.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		cryptotest.SetGlobalRandom(t, uint64(time.Now().UnixNano()))
	}
	synctest.Test(t, f)
}

// lines reads what a command printed with --json.
func lines[T any](t *testing.T, r ran) (all []T) {
	t.Helper()
	require.Equal(t, ExitDone, r.code, r.err)
	d := json.NewDecoder(strings.NewReader(r.out))
	d.DisallowUnknownFields()
	for d.More() {
		var v T
		require.NoError(t, d.Decode(&v))
		all = append(all, v)
	}
	return all
}

// key is the ID of the first key of a ring in a state, as keys list shows it.
func (w *world) key(ring keys.Purpose, state string) string {
	w.t.Helper()
	for _, k := range lines[listedKey](w.t, w.run("keys", "list", "--json")) {
		if k.Ring == ring && k.State == state {
			return k.ID
		}
	}
	require.Failf(w.t, "no key", "ring %s has no %s key", ring, state)
	return ""
}

func (w *world) auditLog() string {
	w.t.Helper()
	log, err := os.ReadFile(filepath.Join(w.vaultDir(), vaultdir.AuditFile))
	require.NoError(w.t, err)
	return string(log)
}

// fails demands an exit status and what is told.
func (w *world) fails(code int, says string, args ...string) {
	w.t.Helper()
	r := w.run(args...)
	require.Equal(w.t, code, r.code, r.err)
	require.Contains(w.t, r.err, says)
	require.Empty(w.t, r.out)
}

func TestKeyStates(t *testing.T) {
	w := newWorld(t)
	token := w.token()
	id := w.key(keys.PAN, "active")
	got := lines[listedKey](t, w.run("keys", "retire", id, "--json"))
	require.Len(t, got, 1)
	require.Equal(t, "pan "+id+" retired", string(got[0].Ring)+" "+got[0].ID+" "+got[0].State)
	require.Contains(t, w.ok("keys", "retire", strings.ToUpper(id)).out, "retired", "it is already")

	in := w.write("t", token+"\n")
	open := func() ran {
		_ = os.Remove(w.path("n"))
		_ = os.Remove(w.path("n.rejects.csv"))
		return w.run("detokenize", "--in", in, "--out", w.path("n"), "--reason", "x", "--restart")
	}
	require.Equal(t, ExitDone, open().code, "a retired key opens")
	require.Contains(t, w.ok("keys", "disable", id).out, "disabled")
	require.Equal(t, ExitPart, open().code)
	require.Contains(t, w.read("n.rejects.csv"), "key is disabled or destroyed")
	require.Contains(t, w.ok("keys", "enable", id).out, "retired")
	require.Equal(t, ExitDone, open().code)

	w.fails(ExitFailed, "reindex replaces it first", "keys", "retire", w.key(keys.Index, "active"))
	w.fails(ExitFailed, "is active and cannot become retired", "keys", "enable", w.key(keys.Index, "active"))
	named := number + "abcdefabcdefabcd" // an ID may have a number in it
	w.fails(ExitFailed, "no such data key", "keys", "destroy", strings.ToUpper(named), "--confirm="+named)
	for _, name := range []string{"retire", "disable", "enable", "destroy"} {
		w.fails(ExitFailed, "no such data key", "keys", name, envelope.NewKeyID().String())
		w.fails(ExitFailed, "no such data key", "keys", name, named)
		w.fails(ExitUsage, "32 hexadecimal digits", "keys", name, id[1:])
		w.fails(ExitUsage, "exactly one argument", "keys", name)
		w.fails(ExitUsage, "looks like a card number", "keys", name, number)
	}
}

func TestKeysCensus(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	require.Empty(t, w.ok("keys", "census").out)
	token := w.token()
	w.ok("keys", "rotate", "--purpose", "pan")
	count := func() map[string]string {
		got := map[string]string{}
		for _, k := range lines[countedKey](t, w.run("keys", "census", "--json")) {
			use := "?"
			if k.Records != nil {
				use = string(rune('0' + *k.Records))
			}
			got[string(k.Ring)+" "+k.State] = use + strings.Join(k.Repositories, ",")
		}
		return got
	}
	require.Equal(t, map[string]string{"pan retired": "1", "pan active": "0", "index active": "0DEFAULT", "audit active": "?"}, count())
	out := w.ok("keys", "census").out
	for _, want := range []string{"1 records", "0 records, needed by DEFAULT", "not counted"} {
		require.Contains(t, out, want)
	}
	w.ok("token", "delete", token)
	require.Equal(t, "0", count()["pan retired"])
}

func TestKeysRewrap(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	require.Empty(t, w.ok("keys", "rewrap").out, "there is no key yet")
	token := w.token()
	w.ok("keys", "rotate", "--purpose", "pan")
	require.Equal(t, []rewrapped{{Ring: keys.PAN, Keys: 2, DryRun: true}},
		lines[rewrapped](t, w.run("keys", "rewrap", "--purpose", "pan", "--dry-run", "--json")))
	require.Equal(t, []rewrapped{{Ring: keys.PAN, Keys: 2, Moved: 2}, {Ring: keys.Index, Keys: 1, Moved: 1}, {Ring: keys.Audit, Keys: 1, Moved: 1}},
		lines[rewrapped](t, w.run("keys", "rewrap", "--json")))
	require.Contains(t, w.ok("keys", "rewrap", "--purpose", "pan").out, "2 data keys, 2 moved, 0 not wrapped")
	w.ok("detokenize", "--in", w.write("t", token+"\n"), "--out", w.path("n"), "--reason", "x")
	w.fails(ExitUsage, "--purpose is not one of", "keys", "rewrap", "--purpose", "nonsense")
}

func TestKeysInventory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t)
		w.token()
		w.ok("keys", "rotate", "--purpose", "pan")
		begin := time.Now()
		inventory := func() map[string]inventoried {
			got := map[string]inventoried{}
			for _, i := range lines[inventoried](t, w.run("keys", "inventory", "--json")) {
				got[strings.TrimSpace(i.Ring+" "+i.State)] = i
			}
			return got
		}
		got := inventory()
		require.Len(t, got, 5)
		kek := got["kek"]
		require.Equal(t, "AES-256-GCM", kek.Algorithm)
		for name, due := range map[string]int{"pan active": 365, "pan retired": 3 * 365, "index active": 365, "audit active": 365} {
			i := got[name]
			require.Equal(t, []string{kek.ID}, i.Place, name)
			require.Equal(t, 256, i.Bits)
			require.NotEmpty(t, i.Algorithm)
			require.NotEmpty(t, i.Purpose)
			require.Zero(t, *i.AgeDays)
			require.WithinDuration(t, begin.AddDate(0, 0, due), *i.Due, time.Minute, name)
			require.False(t, i.Overdue)
		}
		time.Sleep(366 * 24 * time.Hour)
		got = inventory()
		require.True(t, got["pan active"].Overdue)
		require.Equal(t, 366, *got["pan active"].AgeDays)
		require.False(t, got["pan retired"].Overdue)
		out := w.ok("keys", "inventory").out
		require.Contains(t, out, "XAES-256-GCM, 256 bits, in "+kek.ID+", active, 366 days old, overdue since "+
			begin.AddDate(0, 0, 365).UTC().Format(time.DateOnly))
		require.NotContains(t, out, w.home+"/data", "the place of a key and no other")
	})
}
