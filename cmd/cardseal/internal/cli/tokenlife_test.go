package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
)

// token tokenizes one card and returns its token.
func (w *world) token() string {
	w.t.Helper()
	in := w.write("in.csv", number+"\n")
	out := w.path("tokens.csv")
	w.ok("tokenize", "--in", in, "--out", out)
	defer os.Remove(out)
	return w.column(out, "token")[0]
}

// shown runs a command on a token and reads what it shows.
func (w *world) shown(args ...string) (d tokenDetails) {
	w.t.Helper()
	require.NoError(w.t, json.Unmarshal([]byte(w.ok(append(args, "--json")...).out), &d))
	return d
}

func TestTokenLife(t *testing.T) {
	w := newWorld(t)
	token := w.token()
	in := w.write("t.csv", "token\n"+token+"\n")
	reveal := func() ran {
		_ = os.Remove(w.path("n.csv"))
		_ = os.Remove(w.path("n.csv.rejects.csv"))
		return w.run("detokenize", "--in", in, "--out", w.path("n.csv"), "--reason", "x")
	}
	require.Equal(t, "ACTIVE", w.shown("token", "get", token).Status)

	d := w.shown("token", "suspend", token, "--actor", "desk-1")
	require.Equal(t, "SUSPENDED", d.Status)
	require.Equal(t, "desk-1", d.UpdatedBy)
	require.Equal(t, ExitPart, reveal().code)
	require.Contains(t, w.read("n.csv.rejects.csv"), "token is suspended")
	require.Equal(t, d.Version, w.shown("token", "suspend", token).Version)
	r := w.run("token", "activate", token, "--expect-version", "77")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "has another version")
	require.Equal(t, "ACTIVE", w.shown("token", "activate", token, "--expect-version", "2").Status)
	require.Equal(t, ExitDone, reveal().code)

	d = w.shown("token", "update", token, "--expiry", "1231", "--token-expiry", "2020-02-29")
	require.Equal(t, "1231", d.Expiry)
	require.Equal(t, "2020-02-29", d.TokenEnd)
	require.Equal(t, ExitPart, reveal().code)
	require.Contains(t, w.read("n.csv.rejects.csv"), "token has expired")
	require.Contains(t, w.ok("token", "get", token).out, "token expiry  2020-02-29")
	d = w.shown("token", "update", token, "--clear", "expiry,token-expiry")
	require.Empty(t, d.Expiry+d.TokenEnd)

	r = w.runWith(strings.NewReader("A HOLDER\n"), "token", "update", token, "--holder-from-stdin")
	require.Equal(t, ExitDone, r.code, r.err)
	r = w.runWith(strings.NewReader("holder@example.com"), "token", "update", token, "--email-from-stdin")
	require.Equal(t, ExitDone, r.code, r.err)
	require.Equal(t, uint64(8), w.shown("token", "update", token, "--clear", "holder,email").Version)

	require.Equal(t, "DELETED", w.shown("token", "delete", token).Status)
	require.Equal(t, "DELETED", w.shown("token", "delete", token).Status, "it is deleted")
	for _, name := range []string{"suspend", "activate", "update"} {
		args := []string{"token", name, token}
		if name == "update" {
			args = append(args, "--expiry", "0130")
		}
		r = w.run(args...)
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, "does not come back")
	}
	log, err := os.ReadFile(filepath.Join(w.vaultDir(), vaultdir.AuditFile))
	require.NoError(t, err)
	for _, action := range []string{"suspend", "activate", "update", "delete"} {
		require.Contains(t, string(log), `"action":"`+action+`"`)
	}
	for _, secret := range []string{"A HOLDER", "holder@example.com"} {
		require.NotContains(t, files(t, w.home), secret)
	}
}

func TestTokenLifeBadInput(t *testing.T) {
	w := newWorld(t)
	token := w.token()
	for _, c := range []struct {
		args  []string
		stdin string
		says  string
	}{
		{[]string{"update", token}, "", "nothing to change"},
		{[]string{"update", token, "--expiry", "1331"}, "", "--expiry has to be written MMYY"},
		{[]string{"update", token, "--token-expiry", "2027-02-29"}, "", "--token-expiry has to be a day"},
		{[]string{"update", token, "--clear", "number"}, "", "--clear takes"},
		{[]string{"update", token, "--clear", "expiry", "--expiry", "1231"}, "", "is both given and to be cleared"},
		{[]string{"update", token, "--holder-from-stdin", "--email-from-stdin"}, "", "one at a time"},
		{[]string{"update", token, "--holder-from-stdin"}, "", "no line to read"},
		{[]string{"update", token, "--holder-from-stdin"}, strings.Repeat("x", 31), "at most 30 characters"},
		{[]string{"update", token, "--email-from-stdin"}, strings.Repeat("x", 9000) + "@y", "e-mail address of 3 to 254"},
		{[]string{"update", token, "--email-from-stdin"}, "nobody\n", "e-mail address of 3 to 254"},
		{[]string{"suspend"}, "", "takes exactly one argument"},
		{[]string{"suspend", token, "--expect-version", "-1"}, "", ""},
		{[]string{"delete", number}, "", "looks like a card number"},
		{[]string{"activate", token, "--repository", "NONE"}, "", "repository does not exist"},
	} {
		r := w.runWith(strings.NewReader(c.stdin), append([]string{"token"}, c.args...)...)
		require.Equal(t, ExitUsage, r.code, "%v: %s", c.args[0], r.err)
		require.Contains(t, r.err, c.says)
		require.NotContains(t, r.err, "xxxx")
		noNumbers(t, r.err+r.out)
	}
	require.Equal(t, uint64(1), w.shown("token", "get", token).Version)
	for _, name := range []string{"suspend", "activate", "delete"} {
		r := w.run("token", name, "9"+strings.Repeat("0", 14)+"1")
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, "no such token")
	}
}

func TestAssign(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	w.ok("repo", "create", "SHOP")
	for range 2 {
		require.Empty(t, w.ok("repo", "assign", "SHOP", "--merchant", "M1").out)
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"SHOP"}, ExitUsage, "--merchant is needed"},
		{[]string{"SHOP", "--merchant", "two words"}, ExitUsage, "merchant must be 1 to 40"},
		{[]string{"NONE", "--merchant", "M1"}, ExitUsage, "repository does not exist"},
		{[]string{"SHOP", "--merchant", "TEST1"}, ExitFailed, "begin with TEST"},
		{[]string{"TestSHOP", "--merchant", "TEST1"}, ExitUsage, "test twin"},
	} {
		r := w.run(append([]string{"repo", "assign"}, c.args...)...)
		require.Equal(t, c.code, r.code, r.err)
		require.Contains(t, r.err, c.says)
	}
	log, err := os.ReadFile(filepath.Join(w.vaultDir(), vaultdir.AuditFile))
	require.NoError(t, err)
	require.Contains(t, string(log), `"action":"assign-merchant","outcome":"done","repository":"SHOP","merchant":"M1"`)
}
