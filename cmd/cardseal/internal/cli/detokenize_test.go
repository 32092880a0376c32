package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// auditEvents reads the events in the vault's audit log.
func (w *world) auditEvents() []map[string]any {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.vaultDir(), "audit.log"))
	require.NoError(w.t, err)
	var events []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(string(content)), "\n") {
		var l struct{ Event map[string]any }
		require.NoError(w.t, json.Unmarshal([]byte(line), &l))
		if l.Event != nil {
			events = append(events, l.Event)
		}
	}
	return events
}

func TestDetokenize(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", "number,ref\n"+number+",\"a, b\"\n4012888888881881,c\n")
	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"), "--keep-columns", "ref")
	tokens := w.column(w.path("t.csv"), "token")

	// A token that is none, a card number where a token belongs, a short row.
	mixed := w.write("mixed.csv", w.read("t.csv")+"9999,x,y,z\n"+number+",x,y,z\n"+tokens[0]+"\n")
	r := w.run("detokenize", "--in", mixed, "--out", w.path("n.csv"), "--reason", "settlement 7", "--actor", "operator-1")
	require.Equal(t, ExitPart, r.code, r.err)
	require.Equal(t, []string{number, "4012888888881881"}, w.column(w.path("n.csv"), "number"))
	require.Equal(t, []string{"a, b", "c"}, w.column(w.path("n.csv"), "ref"))
	require.Equal(t, []string{"4", "5", "6"}, w.column(w.path("n.csv.rejects.csv"), "line"))
	require.Equal(t, []string{"token", "token", "masked"}, w.column(w.path("n.csv.rejects.csv"), "field"))
	require.NotContains(t, r.err+w.read("n.csv.rejects.csv"), number)
	info, err := os.Stat(w.path("n.csv"))
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())

	revealed, runs, unknown := []string{}, []string{}, 0
	for _, e := range w.auditEvents() {
		switch e["action"] {
		case "reveal":
			require.Equal(t, "operator-1", e["owner"])
			require.Equal(t, "settlement 7", e["reason"])
			if e["token"] == nil {
				unknown++
				require.NotEmpty(t, e["unknownToken"])
				continue
			}
			revealed = append(revealed, e["token"].(string))
		case "detokenize":
			runs = append(runs, e["outcome"].(string))
		}
	}
	require.Equal(t, tokens, revealed)
	require.Equal(t, 2, unknown)
	require.Equal(t, []string{"begun", "done"}, runs)
	noNumbers(t, files(t, w.home))
}

func TestDetokenizeRefuses(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"))
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--out", w.path("n")}, ExitUsage, "--reason is needed"},
		{[]string{"--out", w.path("n"), "--reason", "é"}, ExitUsage, "--reason must be printable ASCII"},
		{[]string{"--out", w.path("n"), "--reason", strings.Repeat("x", 256)}, ExitUsage, "at most 255 bytes"},
		{[]string{"--out", w.path("t.csv"), "--reason", "x"}, ExitUsage, "different files"},
		{[]string{"--out", in, "--reason", "x"}, ExitFailed, "exists already"},
		{[]string{"--out", w.path("n"), "--reason", "x", "--repository", "NONE"}, ExitUsage, "repository does not exist"},
		{[]string{"--out", w.path("n"), "--reason", "x", "--token-column", "nope"}, ExitUsage, "has no column nope"},
		{[]string{"--out", w.path("n"), "--reason", "x", "--dir", w.path("nowhere")}, ExitFailed, "there is no vault in"},
		{[]string{"--out", "/dev/null", "--reason", "x"}, ExitUsage, "terminal"},
	} {
		r := w.run(append([]string{"detokenize", "--in", w.path("t.csv")}, c.args...)...)
		require.Equal(t, c.code, r.code, r.err)
		require.Contains(t, r.err, c.says)
		require.False(t, exists(w.path("n")) || exists(w.path("n.part")))
	}
	for _, e := range w.auditEvents() {
		require.NotEqual(t, "reveal", e["action"])
	}
	r := w.run("detokenize", "--in", w.write("both.csv", "token,number\n"), "--out", w.path("n"), "--reason", "x")
	require.Equal(t, ExitUsage, r.code)
	require.Contains(t, r.err, "column number already")
}

// Standard output that is a terminal is refused, whichever way it is named.
func TestNeverOntoATerminal(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"))
	terminal, show := openTerminal(t)
	var said strings.Builder
	code := Run(t.Context(), []string{"detokenize", "--in", w.path("t.csv"), "--out", "-", "--reason", "x"},
		strings.NewReader(""), terminal, &said)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, said.String(), "not written onto a terminal")
	require.NotContains(t, show(), "4111")

	r := w.run("detokenize", "--in", w.path("t.csv"), "--out", terminal.Name(), "--reason", "x")
	require.Equal(t, ExitUsage, r.code)
	require.Contains(t, r.err, "not written onto a terminal")
}

// A run whose audit log cannot be written gives nothing out.
func TestNoAuditNoNumbers(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("t.csv"))
	log := filepath.Join(w.vaultDir(), "audit.log")
	require.NoError(t, os.Remove(log))
	require.NoError(t, os.Symlink("/dev/full", log))
	r := w.run("detokenize", "--in", w.path("t.csv"), "--out", w.path("n.csv"), "--reason", "x")
	require.Equal(t, ExitFailed, r.code, r.err)
	require.False(t, exists(w.path("n.csv")) || exists(w.path("n.csv.part")))
}
