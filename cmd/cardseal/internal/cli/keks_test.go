package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
)

// kekURI is the URI of a key file in the world's folder, which need not be there.
func (w *world) kekURI(name string) string { return "local://" + w.path(name) }

// kekID is the ID of a key file.
func (w *world) kekID(name string) string {
	w.t.Helper()
	k, err := local.OpenKeyFile(w.path(name))
	require.NoError(w.t, err)
	require.NoError(w.t, k.Close())
	return k.ID()
}

// setKEKs writes other keys into the vault's settings.
func (w *world) setKEKs(change func(s *vaultdir.Settings)) {
	w.t.Helper()
	path := filepath.Join(w.vaultDir(), vaultdir.SettingsFile)
	content, err := os.ReadFile(path)
	require.NoError(w.t, err)
	var s vaultdir.Settings
	require.NoError(w.t, json.Unmarshal(content, &s))
	change(&s)
	content, err = json.Marshal(s)
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(path, content, 0o600))
}

// wrappedBy are the IDs of what wrapped a data key, as keys inventory shows it.
func (w *world) wrappedBy(id string) []string {
	w.t.Helper()
	for _, i := range lines[inventoried](w.t, w.run("keys", "inventory", "--json")) {
		if i.ID == id {
			return i.Place
		}
	}
	require.Failf(w.t, "no key", "there is no data key %s", id)
	return nil
}

// rotated is the ID of the key that keys rotate made, and what it told.
func (w *world) rotated() (id, told string) {
	w.t.Helper()
	r := w.ok("keys", "rotate", "--purpose", "pan")
	return strings.TrimSpace(r.out), r.err
}

// opens expects that a token leads to its card.
func (w *world) opens(token string) ran {
	w.t.Helper()
	_ = os.Remove(w.path("opened"))
	r := w.ok("detokenize", "--in", w.write("t", token+"\n"), "--out", w.path("opened"), "--reason", "test", "--restart")
	require.Contains(w.t, w.read("opened"), number)
	return r
}

// away takes a key's file away for the length of f.
func (w *world) away(name string, f func()) {
	w.t.Helper()
	require.NoError(w.t, os.Rename(w.path(name), w.path(name+".away")))
	f()
	require.NoError(w.t, os.Rename(w.path(name+".away"), w.path(name)))
}

// Two keys wrap each data key, and the vault serves with either of them.
func TestVaultWithTwoKEKs(t *testing.T) {
	w := newWorld(t)
	r := w.ok("init", "--kek", w.kekURI("a"), "--kek", w.kekURI("b"), "--quorum", "1")
	require.Contains(t, r.out, "key    "+w.path("a")+"\nkey    "+w.path("b")+"\n")
	a, b := w.kekID("a"), w.kekID("b")
	token := w.token()
	id, told := w.rotated()
	require.Equal(t, []string{a, b}, w.wrappedBy(id))
	require.NotContains(t, told, "have wrapped")
	require.NotContains(t, w.run("doctor").out, "not wrapped by all")

	for _, name := range []string{"a", "b"} {
		kept := map[string]string{"a": b, "b": a}[name]
		w.away(name, func() {
			r := w.opens(token)
			require.Contains(t, r.err, "the key "+w.kekURI(name)+" cannot be opened, and the vault's other keys serve without it: ")
			require.Contains(t, r.err, "no such file")
			require.NotContains(t, r.err, "have wrapped", "nothing was made")
			id, told = w.rotated()
			require.Contains(t, told, "new data keys that not all of the vault's keys have wrapped: 1; cardseal keys rewrap completes them")
			require.Equal(t, []string{kept}, w.wrappedBy(id))
			require.Equal(t, ExitFailed, w.run("keys", "rewrap", "--purpose", "pan").code)
			w.fails(ExitFailed, "could not be opened, and what it wrapped might be dropped", "keys", "rewrap", "--drop-others")
			require.Contains(t, w.run("doctor").out, "fail  key         the key cannot be opened: it is not there")
			w.opens(token)
		})
		require.Contains(t, w.run("doctor").out, "1 data keys are not wrapped by all of the vault's keys: cardseal keys rewrap")
		got := lines[rewrapped](t, w.ok("keys", "rewrap", "--purpose", "pan", "--json"))
		require.Zero(t, got[0].UnderReplicated+got[0].Others)
		require.Equal(t, []string{a, b}, w.wrappedBy(id))
	}
	w.ok("reindex")
	w.ok("audit", "verify")

	// With no quorum named, nothing is made that hangs on one key.
	w.setKEKs(func(s *vaultdir.Settings) { s.Quorum = 0 })
	before := w.key(keys.PAN, "active")
	w.away("b", func() {
		w.fails(ExitFailed, "(open by "+b+")", "keys", "rotate", "--purpose", "pan")
		require.Equal(t, before, w.key(keys.PAN, "active"))
		w.opens(token)
	})
	w.away("a", func() {
		w.away("b", func() { w.fails(ExitFailed, "a: no such file", "keys", "list") })
	})
}

// Who names one key of several makes no data keys that the others have not wrapped.
func TestVaultThatNamesTooFewKEKs(t *testing.T) {
	w := newWorld(t)
	w.ok("init", "--kek", w.kekURI("a"), "--kek", w.kekURI("b"))
	token := w.token()
	id := w.key(keys.PAN, "active")
	b := w.kekID("b")
	w.setKEKs(func(s *vaultdir.Settings) { s.FurtherKEKs = nil })
	w.fails(ExitFailed, "also wrapped by keys that the settings do not name, and the next would not be: "+b, "keys", "rotate", "--purpose", "pan")
	w.fails(ExitFailed, "also wrapped by keys that the settings do not name", "reindex")
	require.Equal(t, id, w.key(keys.PAN, "active"))
	w.opens(token)
	require.Contains(t, w.run("doctor").out, "3 data keys are wrapped by keys that the settings do not name")

	// Also where a key that is named is away: which of them wrapped what is not known.
	require.NoError(t, local.CreateKeyFile(w.path("c")))
	w.setKEKs(func(s *vaultdir.Settings) { s.KEK, s.FurtherKEKs = w.kekURI("a"), []string{w.kekURI("c")} })
	w.ok("keys", "rewrap")
	w.setKEKs(func(s *vaultdir.Settings) { s.Quorum = 1 })
	w.away("c", func() {
		w.fails(ExitFailed, "also wrapped by keys that the settings do not name", "keys", "rotate", "--purpose", "pan")
	})
}

// A vault moves to another key as kek --help says, and is read at each step.
func TestMoveToAnotherKEK(t *testing.T) {
	w := newWorld(t)
	w.ok("init", "--kek", w.kekURI("old"))
	require.NoError(t, local.CreateKeyFile(w.path("new")))
	was, is := w.kekID("old"), w.kekID("new")
	token := w.token()
	id := w.key(keys.PAN, "active")

	w.setKEKs(func(s *vaultdir.Settings) { s.FurtherKEKs = []string{w.kekURI("new")} })
	w.opens(token)
	require.Contains(t, w.run("doctor").out, "3 data keys are not wrapped by all")
	w.ok("keys", "rewrap")
	require.Equal(t, []string{was, is}, w.wrappedBy(id))
	w.setKEKs(func(s *vaultdir.Settings) {
		s.KEK, s.FurtherKEKs, s.OldKEKs = w.kekURI("new"), nil, []string{w.kekURI("old")}
	})
	w.opens(token)
	second, _ := w.rotated()
	require.Equal(t, []string{is}, w.wrappedBy(second))
	out := w.run("doctor").out
	require.Contains(t, out, "3 data keys are wrapped by an old key too")
	require.Contains(t, out, "old key     "+w.path("old")+" is a key in a file")
	require.NotContains(t, out, "can be taken out")
	for _, r := range lines[rewrapped](t, w.ok("keys", "rewrap", "--drop-others", "--json")) {
		require.Zero(t, r.Others+r.UnderReplicated)
	}
	require.Equal(t, []string{is}, w.wrappedBy(id))
	require.Contains(t, w.run("doctor").out, "oldKEKs can be taken out of the settings")
	w.setKEKs(func(s *vaultdir.Settings) { s.OldKEKs = nil })
	require.NoError(t, os.Remove(w.path("old")))
	w.opens(token)
	w.rotated()
	w.ok("audit", "verify")
}

// An old key that is away keeps nobody from what it did not wrap alone.
func TestOldKEKAway(t *testing.T) {
	w := newWorld(t)
	w.ok("init", "--kek", w.kekURI("a"), "--kek", w.kekURI("b"))
	token := w.token()
	w.setKEKs(func(s *vaultdir.Settings) { s.FurtherKEKs, s.OldKEKs = nil, []string{w.kekURI("b")} })
	w.away("b", func() {
		require.Contains(t, w.opens(token).err, "the vault's other keys serve without it")
		_, told := w.rotated()
		require.NotContains(t, told, "have wrapped", "it would not have wrapped it")
		w.ok("keys", "rewrap", "--drop-others")
	})
}

func TestKEKSettings(t *testing.T) {
	w := newWorld(t)
	for says, args := range map[string][]string{
		"--quorum is from 1":  {"--quorum", "2"},
		"--quorum is from":    {"--kek", w.kekURI("a"), "--kek", w.kekURI("b"), "--quorum", "0"},
		"names one key twice": {"--kek", w.kekURI("a"), "--kek", w.kekURI("a")},
		"contradict":          {"--kek", "passphrase:", "--kek", w.kekURI("a"), "--passphrase"},
	} {
		w.fails(ExitUsage, says, slices.Concat([]string{"init"}, args)...)
	}
	require.False(t, exists(w.vaultDir()) || exists(w.path("a")), "made for nothing")

	w.ok("init", "--kek", w.kekURI("a"), "--kek", "")
	made := filepath.Join(w.home, "config/cardseal/keys/default.key")
	require.True(t, exists(w.path("a")) && exists(made))
	require.NoError(t, os.Symlink(w.path("a"), w.path("again")))
	for _, c := range []struct {
		says   string
		old    []string
		quorum int
	}{
		{"names a key twice", []string{w.kekURI("a")}, 0}, {"names a key twice", []string{w.kekURI("again")}, 0},
		{`has a "quorum" that is not from 1 to`, nil, 3}, {`has a "quorum" that is not from 1 to`, nil, -1},
	} {
		w.setKEKs(func(s *vaultdir.Settings) { s.OldKEKs, s.Quorum = c.old, c.quorum })
		w.fails(ExitFailed, c.says, "keys", "list")
	}
	w.setKEKs(func(s *vaultdir.Settings) { s.Quorum, s.OldKEKs = 0, []string{"awskms:///alias/x"} })
	w.fails(ExitUsage, "is not supported by this build", "keys", "list")
	// What the user has to mend is no key that is away.
	w.setKEKs(func(s *vaultdir.Settings) { s.OldKEKs = nil })
	require.NoError(t, os.Chmod(w.path("a"), 0o644))
	w.fails(ExitFailed, "open to others than its owner", "keys", "list")
}

// A KMS that cannot be reached keeps nobody from a vault that another key opens.
func TestVaultWithoutOneKMS(t *testing.T) {
	w := newWorld(t)
	w.ok("init", "--kek", w.kekURI("a"))
	token := w.token()
	for _, uri := range elsewhere(t, closedPort) {
		w.setKEKs(func(s *vaultdir.Settings) { s.FurtherKEKs, s.Quorum = []string{uri}, 1 })
		r := w.opens(token)
		if !strings.HasPrefix(uri, "gcp-kms:") { // opening makes no call
			require.Contains(t, r.err, "the key "+uri+" cannot be opened, and the vault's other keys serve without it: the KMS cannot be reached")
		}
		_, told := w.rotated()
		require.Contains(t, told, "not all of the vault's keys have wrapped: 1;", uri)
		w.setKEKs(func(s *vaultdir.Settings) { s.Quorum = 2 })
		r = w.run("keys", "rotate", "--purpose", "pan")
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, "the KMS cannot be reached", uri)
	}
}

// Security codes that are forgotten are under all keys that can be had, too.
func TestTransientCodesUnderTwoKEKs(t *testing.T) {
	codes := database(t)
	w := newWorld(t)
	w.ok("store", "migrate", "--codes", codes)
	w.ok("init", "--codes", codes, "--kek", w.kekURI("a"), "--kek", w.kekURI("b"))
	w.ok("repo", "create", "SHOP")
	token := w.amex("SHOP")
	require.Equal(t, ExitDone, w.cvc(secretCode, "put", token, "--repository", "SHOP").code)
	for _, name := range []string{"a", "b"} {
		w.away(name, func() {
			r := w.cvc(secretCode, "verify", token, "--repository", "SHOP")
			require.Equal(t, "the security code is right\n", r.out, r.err)
			other := w.kekID(map[string]string{"a": "b", "b": "a"}[name])
			require.Contains(t, w.ok("keys", "inventory").out, "until they expire, XAES-256-GCM, 256 bits, in "+other+"\n")
		})
	}
}
