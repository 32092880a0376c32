package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// logFile is the vault's audit log.
func (w *world) logFile() string { return filepath.Join(w.vaultDir(), vaultdir.AuditFile) }

// alterLog changes the vault's audit log.
func (w *world) alterLog(change func(log string) string) {
	w.t.Helper()
	content, err := os.ReadFile(w.logFile())
	require.NoError(w.t, err)
	require.NoError(w.t, os.WriteFile(w.logFile(), []byte(change(string(content))), 0o600))
}

// auditOf runs audit verify --json.
func (w *world) auditOf(code int, args ...string) (v verified) {
	w.t.Helper()
	r := w.run(append([]string{"audit", "verify", "--json"}, args...)...)
	require.Equal(w.t, code, r.code, r.err)
	require.NoError(w.t, json.Unmarshal([]byte(r.out), &v), r.out)
	require.Equal(w.t, code == ExitDone, v.OK)
	return v
}

func TestAuditVerify(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n4012888888881881\n")
	require.Equal(t, ExitFailed, w.run("audit", "verify").code, "no vault")
	require.Equal(t, ExitFailed, w.run("audit", "anchor").code, "no vault")
	w.ok("init")
	r := w.run("audit", "anchor")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "no chained entry yet")
	require.Contains(t, w.ok("audit", "verify").out, "0 entries verified")

	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"))
	anchor := strings.TrimSpace(w.ok("audit", "anchor").out)
	w.ok("keys", "rotate", "--purpose", "audit")
	w.ok("detokenize", "--in", w.path("t.csv"), "--out", w.path("n.csv"), "--reason", "x")
	r = w.ok("audit", "verify")
	require.Contains(t, r.out, "keys used: 2")
	require.Contains(t, r.err, "without --anchor")
	r = w.ok("audit", "verify", "--anchor", anchor)
	require.NotContains(t, r.err, "without --anchor")
	v := w.auditOf(ExitDone, "--anchor", anchor)
	require.Equal(t, uint64(len(w.auditEvents())), v.Events)
	require.Equal(t, v.Events+1, v.Entries)
	require.Equal(t, v.Head.String(), strings.TrimSpace(w.ok("audit", "anchor").out))
	require.Contains(t, w.ok("audit", "anchor", "--json").out, `"anchor":"`+v.Head.String()+`"`)
	require.Contains(t, w.run("doctor").out, "a chain of ")

	r = w.run("audit", "verify", "--anchor", "nonsense")
	require.Equal(t, ExitUsage, r.code)
	require.NotContains(t, r.err, "nonsense")
	require.Equal(t, ExitUsage, w.run("audit").code)
	require.Equal(t, ExitFailed, w.run("audit", "verify", "--in", w.path("none")).code)
	w.write("copy.log", "")
	w.auditOf(ExitFailed, "--anchor", anchor, "--in", w.path("copy.log"))

	// An altered line is found, and named.
	w.alterLog(func(log string) string { return strings.Replace(log, `"reason":"x"`, `"reason":"y"`, 1) })
	v = w.auditOf(ExitFailed)
	require.Equal(t, int64(7), v.Line)
	require.Equal(t, audit.ErrMAC.Error(), v.Problem)
	r = w.run("audit", "verify")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "audit.log: line 7 does not fit its MAC")
	require.Contains(t, r.out, "6 entries verified")
}

// Entries cut off the end are missed by an anchor alone.
func TestAuditCut(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"))
	w.ok("detokenize", "--in", w.path("t.csv"), "--out", w.path("n.csv"), "--reason", "x")
	anchor := strings.TrimSpace(w.ok("audit", "anchor").out)
	w.alterLog(func(log string) string { return strings.Join(strings.SplitAfter(log, "\n")[:3], "") })
	w.auditOf(ExitDone)
	require.Equal(t, audit.ErrCut.Error(), w.auditOf(ExitFailed, "--anchor", anchor).Problem)
	// Nor does a new log pass for the old one.
	require.NoError(t, os.Remove(w.logFile()))
	require.Equal(t, audit.ErrCut.Error(), w.auditOf(ExitFailed, "--anchor", anchor).Problem)
	w.ok("detokenize", "--in", w.path("t.csv"), "--out", w.path("n2.csv"), "--reason", "x")
	require.Equal(t, audit.ErrAnchor.Error(), w.auditOf(ExitFailed, "--anchor", anchor).Problem)
}

// A line that was cut short stays, and is owned up to.
func TestAuditLogEndsACutLine(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("a.csv"))
	w.alterLog(func(log string) string { return log[:len(log)-10] })
	require.Positive(t, w.auditOf(ExitDone).Torn)
	w.ok("tokenize", "--in", in, "--out", w.path("b.csv"))
	v := w.auditOf(ExitDone)
	require.Zero(t, v.Torn)
	require.Equal(t, 1, v.AllGaps)
	require.Contains(t, w.ok("audit", "verify").out, "bytes are no entries, and marked so")
}

// The log of an earlier version, of plain lines, is kept, and the chain begins after
// it.
func TestAuditLogOfPlainLines(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("a.csv"))
	plain := `{"time":"2026-11-01T10:00:00Z","level":"INFO","msg":"audit","action":"save","outcome":"created","repository":"DEFAULT"}` + "\n"
	w.alterLog(func(string) string { return plain })
	require.Contains(t, w.run("doctor").out, "the next entry begins a chain")
	require.Equal(t, audit.ErrForeign.Error(), w.auditOf(ExitFailed).Problem)
	w.ok("tokenize", "--in", in, "--out", w.path("b.csv"))
	v := w.auditOf(ExitDone)
	require.Equal(t, []audit.Gap{{Line: 1, Bytes: uint64(len(plain))}}, v.Gaps)
	w.alterLog(func(log string) string {
		require.True(t, strings.HasPrefix(log, plain))
		return strings.Replace(log, `"created"`, `"refused"`, 1)
	})
	w.auditOf(ExitFailed)
}

func TestAuditLogOfANewerVersion(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("a.csv"))
	w.alterLog(func(log string) string { return log + `{"v":2,"chain":"x"}` + "\n" })
	for _, args := range [][]string{{"audit", "verify"}, {"audit", "anchor"}, {"tokenize", "--in", in, "--out", w.path("b.csv")}} {
		r := w.run(args...)
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, "newer version")
	}
	require.Contains(t, w.run("doctor").out, "newer version")
}

// An anchor can be taken while a service holds the vault.
func TestAnchorWhileInUse(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("a.csv"))
	db, err := bolt.Open(t.Context(), filepath.Join(w.vaultDir(), "vault.bolt"), nil)
	require.NoError(t, err)
	defer db.Close()
	w.ok("audit", "anchor")
	require.Contains(t, w.run("audit", "verify").err, "the store is in use")
}
