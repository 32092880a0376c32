package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/card"
)

// The first thing a newcomer does: no vault, no options.
func TestFirstUse(t *testing.T) {
	w := newWorld(t)
	r := w.ok("tokenize", "--in", testCards(t), "--out", w.path("tokens.csv"))
	require.Contains(t, r.err, "made a vault in "+w.vaultDir())
	require.Contains(t, r.err, "development only")
	require.Contains(t, r.err, "40 rows tokenized")
	require.Empty(t, r.out)

	for path, mode := range map[string]os.FileMode{
		w.path("tokens.csv"): 0o600, w.vaultDir(): 0o700,
		filepath.Join(w.vaultDir(), "settings.json"): 0o600, filepath.Join(w.vaultDir(), "vault.bolt"): 0o600,
		filepath.Join(w.vaultDir(), "audit.log"):                           0o600,
		filepath.Join(w.home, "config", "cardseal", "keys", "default.key"): 0o600,
	} {
		info, err := os.Stat(path)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode().Perm(), path)
	}
	require.False(t, exists(w.path("tokens.csv.part")))
	require.False(t, exists(w.path("tokens.csv.rejects.csv")), "made although nothing was refused")

	r = w.ok("tokenize", "--in", testCards(t), "--out", w.path("again.csv"))
	require.NotContains(t, r.err, "made a vault")
	require.Equal(t, w.read("tokens.csv"), w.read("again.csv"), "the same cards have the same tokens")
}

func TestRoundTrip(t *testing.T) {
	for _, generation := range []string{"RANDOM_WITH_LUHN", "PRESERVE_6_4", "UUID"} {
		for _, management := range []string{"UNIQUE_CARD", "UNIQUE_TOKEN"} {
			t.Run(generation+" "+management, func(t *testing.T) {
				w := newWorld(t)
				r := w.run("tokenize", "--in", testCards(t), "--out", w.path("tokens.csv"), "--keep-columns", "source",
					"--repository", "R", "--generation", generation, "--management", management)
				if generation == "PRESERVE_6_4" {
					// Such tokens exist for cards of 14 digits and more that pass Luhn.
					failing := 0
					for _, n := range w.column(testCards(t), "number") {
						if !card.Luhn([]byte(n)) || len(n) < 14 {
							failing++
						}
					}
					require.Positive(t, failing)
					require.Equal(t, ExitPart, r.code, r.err)
					require.Len(t, w.column(w.path("tokens.csv.rejects.csv"), "line"), failing)
					require.Len(t, w.column(w.path("tokens.csv"), "token"), 40-failing)
					return
				}
				require.Equal(t, ExitDone, r.code, r.err)
				require.Len(t, w.column(w.path("tokens.csv"), "token"), 40)

				w.ok("detokenize", "--in", w.path("tokens.csv"), "--out", w.path("numbers.csv"), "--reason", "test", "--repository", "R")
				require.Equal(t, w.column(testCards(t), "number"), w.column(w.path("numbers.csv"), "number"))
				require.Equal(t, w.column(testCards(t), "source"), w.column(w.path("numbers.csv"), "source"))
			})
		}
	}
}

// Such tokens exist for cards of 15 digits and more that pass Luhn, one for each.
func TestRoundTripFF1(t *testing.T) {
	w := newWorld(t)
	r := w.run("tokenize", "--in", testCards(t), "--out", w.path("x.csv"), "--generation", "FF1", "--management", "UNIQUE_TOKEN")
	require.Equal(t, ExitUsage, r.code)
	require.Contains(t, r.err, "must be UNIQUE_CARD")
	w.ok("repo", "create", "F", "--generation", "FF1")
	require.Contains(t, w.ok("repo", "show", "F").out, "one in nine")

	var fit []string
	for _, n := range w.column(testCards(t), "number") {
		if card.Luhn([]byte(n)) && len(n) >= 15 {
			fit = append(fit, n)
		}
	}
	r = w.run("tokenize", "--in", testCards(t), "--out", w.path("tokens.csv"), "--repository", "F")
	require.Equal(t, ExitPart, r.code, r.err)
	tokens := w.column(w.path("tokens.csv"), "token")
	require.Len(t, tokens, len(fit))
	require.Len(t, w.column(w.path("tokens.csv.rejects.csv"), "line"), 40-len(fit))
	for i, token := range tokens {
		require.False(t, card.Luhn([]byte(token)))
		require.Equal(t, fit[i][:5]+fit[i][len(fit[i])-4:], token[:5]+token[len(token)-4:])
	}
	w.ok("detokenize", "--in", w.path("tokens.csv"), "--out", w.path("numbers.csv"), "--reason", "test", "--repository", "F")
	require.Equal(t, fit, w.column(w.path("numbers.csv"), "number"))
}

// One number a line in, tokens without a header out again.
func TestPlainLines(t *testing.T) {
	w := newWorld(t)
	numbers := w.column(testCards(t), "number")
	in := w.write("numbers.txt", "\ufeff"+strings.Join(numbers, "\r\n")) // no last line end
	w.ok("tokenize", "--in", in, "--out", w.path("tokens.csv"))
	tokens := w.write("tokens.txt", strings.Join(w.column(w.path("tokens.csv"), "token"), "\n")+"\n")
	w.ok("detokenize", "--in", tokens, "--out", w.path("back.txt"), "--reason", "test")
	require.Equal(t, strings.Join(numbers, "\n")+"\n", w.read("back.txt"))
}

func TestStreams(t *testing.T) {
	w := newWorld(t)
	r := w.runWith(strings.NewReader(number+"\nnot a number\n"), "tokenize", "--in", "-", "--out", "-")
	require.Equal(t, ExitPart, r.code)
	require.True(t, strings.HasPrefix(r.out, "token,masked,brand\n9"), "the token comes on standard output")
	require.Contains(t, r.err, "2,number,holds something other than digits")

	token := strings.Split(strings.Split(r.out, "\n")[1], ",")[0]
	r = w.runWith(strings.NewReader(token+"\n"), "detokenize", "--in", "-", "--out", "-", "--reason", "test")
	require.Equal(t, ExitDone, r.code, r.err)
	require.Equal(t, number+"\n", r.out)
}

func TestUniqueTokenMakesNewOnes(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", number+"\n"+number+"\n")
	w.ok("tokenize", "--in", in, "--out", w.path("out.csv"), "--management", "UNIQUE_TOKEN")
	tokens := w.column(w.path("out.csv"), "token")
	require.Len(t, tokens, 2)
	require.NotEqual(t, tokens[0], tokens[1])
}

func TestExpiryAndSpelling(t *testing.T) {
	w := newWorld(t)
	in := w.write("in.csv", "\"Card Number\",Exp,\"ref, ours\"\n\"4111 1111-1111 1111\",12/29,\"a \"\"b\"\", c\"\n4012888888881881,0128,x\n")
	w.ok("tokenize", "--in", in, "--out", w.path("out.csv"), "--number-column", "card number", "--expiry-column", "EXP",
		"--keep-columns", "\"ref, ours\"")
	require.Equal(t, []string{`a "b", c`, "x"}, w.column(w.path("out.csv"), "ref, ours"))
	token := w.column(w.path("out.csv"), "token")[0]
	r := w.ok("token", "get", token, "--json")
	require.Contains(t, r.out, `"expiry":"1229"`)
	require.Contains(t, r.out, `"masked":"411111xxxxxx1111"`)
	require.NotContains(t, r.out, number)
}
