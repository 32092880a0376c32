package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
)

func TestCard(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("4", 70_000)
	lines := []string{number, "4111 1111 1111 1111", "4111111111111112", "", "x", long, "411111111111", "50339619890917"}
	r := w.runWith(strings.NewReader(strings.Join(lines, "\n")), "card", "--json")
	require.Equal(t, ExitDone, r.code, r.err)
	got := strings.Split(strings.TrimSpace(r.out), "\n")
	require.Len(t, got, len(lines), "one answer a line")
	require.JSONEq(t, `{"valid":true,"luhn":true,"length":16,"brand":"VISA","scheme":"VISA","bin":"41111111","lastFour":"1111","masked":"411111xxxxxx1111"}`, got[0])
	require.Equal(t, got[0], got[1])
	for i, says := range map[int]string{2: "Luhn", 3: "is empty", 4: "other than digits", 5: "longer than 65536", 6: "length"} {
		var a answer
		require.NoError(t, json.Unmarshal([]byte(got[i]), &a))
		require.False(t, a.Valid)
		require.Contains(t, a.Error, says)
	}
	require.False(t, strings.Contains(r.out, number) || strings.Contains(r.out, lines[2]) || strings.Contains(r.out, lines[6]))

	in := w.write("in", strings.Join(lines, "\r\n"))
	r = w.ok("card", "--in", in, "--mask", "0.4")
	require.Len(t, strings.Split(strings.TrimSpace(r.out), "\n"), len(lines))
	require.Contains(t, r.out, "xxxxxxxxxxxx1111")
	require.NotContains(t, r.out, "411111")
	r = w.run("card", "--mask", "9.9")
	require.Equal(t, ExitUsage, r.code)
	require.False(t, exists(w.vaultDir()), "card needs no vault")
}

// Every published card is taken for what its source says it is.
func TestCardKnowsPublishedCards(t *testing.T) {
	w := newWorld(t)
	numbers := w.column(testCards(t), "number")
	r := w.runWith(strings.NewReader(strings.Join(numbers, "\n")), "card", "--json")
	for i, line := range strings.Split(strings.TrimSpace(r.out), "\n") {
		var a answer
		require.NoError(t, json.Unmarshal([]byte(line), &a))
		require.Truef(t, a.Valid, "card %d: %s", i, a.Error)
		require.NotEqual(t, "UNKNOWN", a.Brand)
	}
}

func TestRepositories(t *testing.T) {
	w := newWorld(t)
	r := w.run("repo", "list")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "cardseal init makes one")
	w.ok("init")
	w.ok("repo", "create", "SHOP", "--generation", "UUID", "--management", "UNIQUE_TOKEN", "--masking", "0.4", "--require-expiry")
	w.ok("repo", "create", "B")
	r = w.run("repo", "create", "SHOP")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "exists with another configuration")
	for _, flag := range []string{"--generation", "--management", "--verification", "--masking"} {
		r := w.run("repo", "create", "C", flag, "nonsense")
		require.Equal(t, ExitUsage, r.code, r.err)
		require.Contains(t, r.err, flag)
	}
	require.Contains(t, w.ok("repo", "show", "SHOP", "--json").out, `"generation":"UUID"`)
	require.Contains(t, w.ok("repo", "list").out, "SHOP  UUID  UNIQUE_TOKEN")
	r = w.run("repo", "show", "NONE")
	require.Equal(t, ExitUsage, r.code)

	in := w.write("in.csv", number+"\n")
	r = w.run("tokenize", "--in", in, "--out", w.path("o"), "--repository", "SHOP", "--generation", "PRESERVE_6_4")
	require.Equal(t, ExitUsage, r.code)
	require.Contains(t, r.err, "cannot be changed")
	r = w.run("tokenize", "--in", in, "--out", w.path("o"), "--repository", "SHOP")
	require.Equal(t, ExitUsage, r.code)
	require.Contains(t, r.err, "demands an expiry")
}

func TestTokenGet(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("o"), "--actor", "operator-2")
	token := w.column(w.path("o"), "token")[0]
	r := w.ok("token", "get", token)
	for _, want := range []string{token, "ACTIVE", "VISA", "411111xxxxxx1111", "operator-2"} {
		require.Contains(t, r.out, want)
	}
	other := "9" + strings.Repeat("0", 14) + "1" // the form of a token, but none
	r = w.run("token", "get", other)
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "no such token")
	require.NotContains(t, r.err, other)
	require.Equal(t, ExitUsage, w.run("token", "get").code)
}

func TestKeys(t *testing.T) {
	w := newWorld(t)
	w.ok("init")
	require.Empty(t, w.ok("keys", "list").out, "a ring has no key before it is used")
	in := w.write("in.csv", number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("a"))
	id := strings.TrimSpace(w.ok("keys", "rotate", "--purpose", "pan").out)
	require.Len(t, id, 32)
	var states []string
	for _, line := range strings.Split(strings.TrimSpace(w.ok("keys", "list", "--json").out), "\n") {
		var k listedKey
		require.NoError(t, json.Unmarshal([]byte(line), &k))
		states = append(states, string(k.Ring)+" "+k.State)
		if k.State == "active" && k.Ring == "pan" {
			require.Equal(t, id, k.ID)
		}
	}
	require.ElementsMatch(t, []string{"pan retired", "pan active", "index active", "audit active"}, states)
	w.ok("tokenize", "--in", in, "--out", w.path("b"))
	require.Equal(t, w.read("a"), w.read("b"), "rotation changed a token")
	w.ok("detokenize", "--in", w.path("a"), "--out", w.path("n"), "--reason", "x")

	r := w.run("keys", "rotate", "--purpose", "index")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "would not be found")
	require.Equal(t, ExitUsage, w.run("keys", "rotate", "--purpose", "nonsense").code)
	require.Equal(t, ExitUsage, w.run("keys", "rotate").code)
}

func TestInspect(t *testing.T) {
	w := newWorld(t)
	key, id := make([]byte, 32), envelope.NewKeyID()
	scope, err := envelope.Derive(key, envelope.Reference{KeyID: id}, envelope.Place{Environment: "production", Scope: "s", Purpose: "pan"})
	require.NoError(t, err)
	sealing, err := scope.SealingKey(envelope.NewSalt())
	require.NoError(t, err)
	record := sealing.Seal(nil, []byte("plaintext"), nil)
	for _, form := range []string{
		string(record), string(envelope.AppendText(nil, record)) + "\n",
		base64.StdEncoding.EncodeToString(record), base64.RawURLEncoding.EncodeToString(record) + "\r\n",
	} {
		r := w.runWith(strings.NewReader(form), "inspect", "--json")
		require.Equal(t, ExitDone, r.code, r.err)
		var h recordHeader
		require.NoError(t, json.Unmarshal([]byte(r.out), &h))
		require.Equal(t, recordHeader{Version: 1, Suite: 1, Mode: "stored", KeyID: id.String(), Commitment: h.Commitment,
			Salt: h.Salt, Nonce: h.Nonce, PlaintextBytes: 9, Bytes: len(record)}, h)
		require.Len(t, h.Commitment, 64)
	}
	require.Contains(t, w.ok("inspect", "--in", w.write("r", string(record))).out, "key ID        "+id.String())
	for _, bad := range []string{"", "cs1.", "cs1.????", "nonsense", number, "\x02" + string(record[1:]), string(record[:40]), strings.Repeat("x", 2<<20)} {
		r := w.runWith(strings.NewReader(bad), "inspect")
		require.Equal(t, ExitFailed, r.code)
		require.Empty(t, r.out)
		require.NotContains(t, r.err, number)
	}
}

func TestDoctor(t *testing.T) {
	w := newWorld(t)
	r := w.run("doctor")
	require.Equal(t, ExitFailed, r.code)
	require.Contains(t, r.err, "there is no vault")
	w.ok("init")
	w.ok("repo", "create", "P", "--generation", "PRESERVE_6_4", "--management", "UNIQUE_TOKEN", "--verification", "NONE", "--masking", "8.4")
	r = w.run("doctor")
	require.Equal(t, ExitFailed, r.code, "a key in a file is never fit")
	require.Contains(t, r.err, "1 of ")
	for _, want := range []string{"development only", "first six and last four", "900000 tokens share them", "unionpay",
		"verification NONE", "UNIQUE_TOKEN gives", "shows 12 of 16 digits"} {
		require.Contains(t, strings.ToLower(r.out), strings.ToLower(want))
	}
	for _, line := range strings.Split(strings.TrimSpace(r.out), "\n") {
		require.Contains(t, []string{"ok", "warn", "fail"}, strings.Fields(line)[0])
	}

	// Each of these adds a failure or warning of its own.
	key := filepath.Join(w.home, "config/cardseal/keys/default.key")
	for _, c := range []struct {
		break_, mend func() error
		says         string
	}{
		{func() error { return os.Chmod(key, 0o640) }, func() error { return os.Chmod(key, 0o600) }, "others may read " + key},
		{func() error { return os.Chmod(w.vaultDir(), 0o755) }, func() error { return os.Chmod(w.vaultDir(), 0o700) }, "others may look into"},
		{func() error { return os.Chmod(w.vaultDir(), 0o777) }, func() error { return os.Chmod(w.vaultDir(), 0o700) }, "others may write to"},
		{func() error { return os.Rename(key, key+"x") }, func() error { return os.Rename(key+"x", key) }, "not there"},
		{func() error { return os.WriteFile(filepath.Join(w.vaultDir(), "vault.bolt"), []byte("x"), 0o600) }, func() error { return nil }, "store is damaged"},
	} {
		require.NotContains(t, w.run("doctor", "--json").out, c.says)
		require.NoError(t, c.break_())
		r := w.run("doctor", "--json")
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.out, c.says)
		require.NoError(t, c.mend())
	}
}

func TestDoctorFindsKeyInsideTheVault(t *testing.T) {
	w := newWorld(t)
	w.ok("init", "--dir", w.path("v"), "--kek", "local://"+w.path("v/my.key"))
	require.Contains(t, w.run("doctor", "--dir", w.path("v")).out, "a copy of the vault is a copy of its key")
}

// Every command has help with examples, and none is a stub.
func TestHelp(t *testing.T) {
	w := newWorld(t)
	var walk func(c *cobra.Command, path []string)
	walk = func(c *cobra.Command, path []string) {
		if c.Name() == "completion" || strings.HasPrefix(c.Name(), "__") {
			return
		}
		require.NotEmpty(t, c.Short, path)
		require.NotEmpty(t, c.Example, path)
		r := w.ok(append(path, "--help")...)
		require.Contains(t, r.out, "Examples:")
		for _, sub := range c.Commands() {
			walk(sub, append(path[:len(path):len(path)], sub.Name()))
		}
	}
	walk((&app{}).root(), nil)
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		require.Contains(t, w.ok("completion", shell).out, "cardseal")
	}
	require.Contains(t, w.ok("help", "tokenize").out, "--keep-columns")
	require.Contains(t, w.ok().out, "Available Commands:")
}

// silent is an input that says nothing.
type silent struct{ asked chan struct{} }

func (s silent) Read([]byte) (int, error) {
	close(s.asked)
	select {}
}

// Waiting for standard input ends with the context.
func TestInterruptedWhileWaiting(t *testing.T) {
	w := newWorld(t)
	for _, args := range [][]string{
		{"card"}, {"inspect"}, {"tokenize", "--in", "-", "--out", w.path("o")},
	} {
		ctx, stop := context.WithCancel(t.Context())
		in := silent{make(chan struct{})}
		go func() { <-in.asked; stop() }()
		var out, said strings.Builder
		require.Equal(t, ExitFailed, Run(ctx, args, in, &out, &said))
		require.Contains(t, said.String(), "interrupted")
	}
}
