package main

import (
	"context"
	"encoding/csv"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// program is the built command, made once for all tests.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cardseal")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "cardseal")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		panic(string(out))
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// home gives the program a home folder of its own.
func home(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, value := range map[string]string{
		"HOME": dir, "XDG_DATA_HOME": "", "XDG_CONFIG_HOME": "", "CARDSEAL_DIR": "", "CARDSEAL_PASSPHRASE_FILE": "",
	} {
		t.Setenv(name, value)
	}
	return dir
}

// kills is how often a run is killed: 5, or what CARDSEAL_KILLS says.
func kills(t *testing.T) int {
	t.Helper()
	text := os.Getenv("CARDSEAL_KILLS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// numbers writes n distinct made-up numbers.
func numbers(t *testing.T, path string, n int) {
	t.Helper()
	var text []byte
	text = append(text, "number\n"...)
	for i := range n {
		from := len(text)
		text = fmt.Appendf(text, "510000%09d", i)
		check, err := card.CheckDigit(text[from:])
		require.NoError(t, err)
		text = append(text, check, '\n')
	}
	require.NoError(t, os.WriteFile(path, text, 0o600))
}

// TestKilled kills the program at random moments, again and again, until the same
// command has run through. Every row then has its token once, and the vault holds
// no token that is in no row.
func TestKilled(t *testing.T) {
	for _, management := range []string{"UNIQUE_CARD", "UNIQUE_TOKEN"} {
		t.Run(management, func(t *testing.T) {
			for left, missed := kills(t), 0; left > 0; {
				killed := killedRun(t, management, left, missed)
				if killed == 0 { // the run that said when to kill was far slower
					missed++
				}
				require.Less(t, missed, 10)
				left -= killed
			}
		})
	}
}

// killedRun runs one command to its end, killing it at most so many times: the sooner,
// the more runs were missed.
func killedRun(t *testing.T, management string, most, missed int) (killed int) {
	t.Helper()
	const rows = 20_000
	dir := home(t)
	in, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out.csv")
	numbers(t, in, rows)
	args := []string{"tokenize", "--in", in, "--out", out, "--management", management}

	// How long a whole run takes, on a vault of its own, says when to kill.
	probe := home(t)
	began := time.Now()
	message, err := exec.Command(program, "tokenize", "--in", in, "--out", filepath.Join(probe, "out.csv")).CombinedOutput()
	require.NoError(t, err, string(message))
	whole := time.Since(began)
	t.Setenv("HOME", dir)

	for {
		c := exec.Command(program, args...)
		var said strings.Builder
		c.Stderr = &said
		require.NoError(t, c.Start())
		var shot *time.Timer
		if killed < most {
			shot = time.AfterFunc(rand.N(whole*6/10>>missed+1), func() { _ = c.Process.Signal(syscall.SIGKILL) })
		}
		err := c.Wait()
		if shot != nil {
			shot.Stop()
		}
		status, ok := c.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok)
		if status.Signaled() {
			killed++
			continue
		}
		// Killed after all was done but before its exit: nothing is left to do.
		if err != nil && strings.Contains(said.String(), out+" exists already") {
			err = nil
		}
		require.NoError(t, err, said.String())
		checkTokens(t, dir, in, out, rows)
		return killed
	}
}

// checkTokens holds the output against the input and the vault.
func checkTokens(t *testing.T, dir, in, out string, want int) {
	t.Helper()
	given, made := column(t, in, "number"), column(t, out, "masked")
	require.Len(t, made, want)
	for i := range given {
		require.True(t, strings.HasPrefix(given[i], made[i][:6]) && strings.HasSuffix(given[i], made[i][12:]), "row %d is another card's", i)
	}
	tokens := map[string]bool{}
	for _, token := range column(t, out, "token") {
		tokens[token] = true
	}
	require.Len(t, tokens, want, "a token came twice")

	ctx := context.Background()
	v, err := vaultdir.Open(ctx, filepath.Join(dir, ".local", "share", "cardseal", "default"), &vaultdir.OpenOptions{})
	require.NoError(t, err)
	defer v.Close()
	repo, err := v.Vault.Repository(ctx, "DEFAULT")
	require.NoError(t, err)
	stored := 0
	require.NoError(t, repo.Each(ctx, tokenize.Caller{Permissions: tokenize.MayRead}, "", func(d tokenize.Details) bool {
		stored++
		return tokens[d.Token]
	}))
	require.Equal(t, want, stored, "the vault holds a token that is in no row")
	require.NoError(t, v.Close())

	back := filepath.Join(dir, "back.csv")
	message, err := exec.Command(program, "detokenize", "--in", out, "--out", back, "--reason", "test").CombinedOutput()
	require.NoError(t, err, string(message))
	message, err = exec.Command(program, "audit", "verify").CombinedOutput()
	require.NoError(t, err, string(message))
	got := column(t, back, "number")
	require.Len(t, got, want)
	for i := range given {
		require.True(t, given[i] == got[i], "row %d came back as another card", i)
	}
}

func column(t *testing.T, path, name string) []string {
	t.Helper()
	f, err := os.Open(path)
	require.NoError(t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(t, err)
	at := -1
	for i, n := range all[0] {
		if n == name {
			at = i
		}
	}
	require.GreaterOrEqual(t, at, 0)
	values := make([]string, 0, len(all))
	for _, row := range all[1:] {
		values = append(values, row[at])
	}
	return values
}

// A signal ends a run between two batches, with status 1; the same command goes
// on, and in the end has done what one run would have.
func TestInterrupted(t *testing.T) {
	for rows := 20_000; !interrupted(t, rows); rows *= 2 {
		require.Less(t, rows, 1_000_000, "no signal ends a run")
	}
}

// interrupted reports false where a run was through before its signal reached it.
func interrupted(t *testing.T, rows int) bool {
	t.Helper()
	dir := home(t)
	in, out := filepath.Join(dir, "in.csv"), filepath.Join(dir, "out.csv")
	numbers(t, in, rows)
	before := int64(-1)
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		c := exec.CommandContext(t.Context(), program, "tokenize", "--in", in, "--out", out, "--management", "UNIQUE_TOKEN")
		var said strings.Builder
		c.Stderr = &said
		require.NoError(t, c.Start())
		ended := make(chan struct{})
		go func() { _ = c.Wait(); close(ended) }()
		whenGrown(out+".part", before, ended)
		_ = c.Process.Signal(sig)
		<-ended
		if c.ProcessState.Success() {
			return false
		}
		require.Equal(t, 1, c.ProcessState.ExitCode(), said.String())
		require.Contains(t, said.String(), "the same command goes on from there")
		info, err := os.Stat(out + ".part")
		require.NoError(t, err)
		before = info.Size()
	}
	message, err := exec.Command(program, "tokenize", "--in", in, "--out", out, "--management", "UNIQUE_TOKEN").CombinedOutput()
	require.NoError(t, err, string(message))
	checkTokens(t, dir, in, out, rows)
	return true
}

// whenGrown waits for the file aside to grow, as it does while rows are being saved, or
// for the run's end.
func whenGrown(path string, beyond int64, ended <-chan struct{}) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ended:
			return
		case <-tick.C:
			if info, err := os.Stat(path); err == nil && info.Size() > beyond {
				return
			}
		}
	}
}
