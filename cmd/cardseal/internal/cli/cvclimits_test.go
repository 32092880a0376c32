package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
)

// Where nobody knows whether a command on a code was carried out the user is not told
// to give it again, as of others.
func TestLostAnswer(t *testing.T) {
	lost := fmt.Errorf("postgres: %w: EOF", tokenize.ErrOutcomeUnknown)
	text, _ := explain(lost)
	require.Contains(t, text, "give the same command again")
	text, exit := explain(errors.Join(lostAnswer(lost, "see cardseal cvc status"), nil))
	require.Equal(t, "the answer to the last commit was lost: see cardseal cvc status", text)
	require.Equal(t, ExitFailed, exit)
	require.Equal(t, fs.ErrExist, lostAnswer(fs.ErrExist, "x"))
}

// How many wrong codes are let through is a setting of the vault's: a program that
// allowed more than the services do would be a way around them.
func TestCodeLimits(t *testing.T) {
	w, token := issuer(t)
	path := w.vaultDir() + "/settings.json"
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	set := func(limits string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(strings.Replace(string(text), "{", "{"+limits+",", 1)), 0o600))
	}
	set(`"codesTries": 2, "codesGuesses": 3`)
	cvc := func(line string, args ...string) ran {
		t.Helper()
		return w.cvc(line, append(args, "--repository", "ISSUED")...)
	}
	require.Equal(t, ExitDone, cvc(secretCode, "put", token).code)
	s := w.status(cvc("", "status", token, "--json"))
	require.Equal(t, 3, s.Guesses)
	require.Equal(t, codeCounting{"card", "Unblocked", 2}, s.Counters[0])
	require.Equal(t, ExitFailed, cvc(wrongCode, "verify", token).code)
	require.Contains(t, cvc(wrongCode, "verify", token).err, "no attempt left")
	require.Contains(t, cvc("", "retrieve", token, "--out", "-").err, "is blocked")
	require.Equal(t, ExitFailed, cvc(wrongCode, "verify", token, "--wallet", "apple").code)
	require.Equal(t, ExitDone, cvc("", "unblock", token).code)
	for _, args := range [][]string{{"verify", token}, {"retrieve", token, "--out", "-"}} {
		require.Contains(t, cvc(secretCode, args...).err, "has had all its attempts", "unblock does not help")
	}
	for _, wrong := range []string{`"codesTries": 11`, `"codesTries": -1`, `"codesGuesses": 101`, `"codesGuesses": -1`} {
		set(wrong)
		r := cvc("", "status", token)
		require.Equal(t, ExitFailed, r.code)
		require.Contains(t, r.err, `"codesTries" that are not 1 to 10`)
	}
}
