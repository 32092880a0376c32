package transfer_test

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// childDir names the folder of a vault that the test binary, as a child process, is
// to import into and to export from. childTask says which, and of what kind.
const (
	childDir  = "CARDSEAL_TRANSFER_TEST_DIR"
	childTask = "CARDSEAL_TRANSFER_TEST_TASK"
)

const killRecords, killBatch = 1500, 20

// openVault opens the vault in a folder as a process of its own does.
func openVault(ctx context.Context, dir, generation string) (*tokenize.Repository, func(), error) {
	db, err := bolt.Open(ctx, filepath.Join(dir, "vault.db"), &bolt.Options{Create: true})
	if err != nil {
		return nil, nil, err
	}
	kek, err := local.OpenKeyFile(filepath.Join(dir, "kek"))
	if err != nil {
		return nil, nil, err
	}
	m, err := keys.Open(ctx, db.Keys(), kek, nil)
	if err != nil {
		return nil, nil, err
	}
	v, err := tokenize.Open(ctx, db.Cards(), m, &tokenize.Options{AllowDevelopmentKEK: true})
	if err != nil {
		return nil, nil, err
	}
	c := tokenize.Config{ID: generation, Generation: tokenize.UUID, Management: tokenize.UniqueToken}
	if generation == "KEPT" {
		c.Generation, c.Management = tokenize.MerchantProvided, tokenize.UniqueCard
	}
	r, err := v.EnsureRepository(ctx, c)
	return r, func() { m.Close(); kek.Close(); db.Close() }, err
}

// endless makes records 1 to n of a foreign vault as they are asked for.
type endless struct {
	f *foreign
	n int
}

func (e endless) Records(ctx context.Context, after []byte) iter.Seq2[transfer.Record, error] {
	return func(yield func(transfer.Record, error) bool) {
		from, _ := strconv.Atoi(string(after)) // nothing is 0
		for n := from + 1; n <= e.n && ctx.Err() == nil; n++ {
			if !yield(e.f.record(n, string(counted(n).AppendDigits(nil))), nil) {
				return
			}
		}
	}
}

// child does its task and says a word after each batch.
func child(dir string) error {
	ctx := context.Background() // a process of its own has no test to take it from
	task, generation, _ := strings.Cut(os.Getenv(childTask), " ")
	r, done, err := openVault(ctx, dir, generation)
	if err != nil {
		return err
	}
	defer done()
	out, err := openLines(filepath.Join(dir, task+generation))
	if err != nil {
		return err
	}
	say := func(p transfer.Report) {
		fmt.Println(p.Records)
		_, _ = os.Stdin.Read(make([]byte, 1))
	}
	if task == "export" {
		_, err = transfer.Export(ctx, r, me, "job", writes{out}, &transfer.ExportOptions{Reason: "test", Batch: killBatch, OnProgress: say})
		return err
	}
	last, _ := strconv.Atoi(out.last)
	_, err = transfer.Import(ctx, r, me, "job", endless{newForeign(), killRecords}, &transfer.ImportOptions{
		Opener: newForeign(), NewTokens: generation != "KEPT", Batch: killBatch, OnProgress: say,
		Results: func(_ context.Context, batch []transfer.Result) error {
			text := ""
			for _, res := range batch {
				if n, _ := strconv.Atoi(string(res.Position)); n > last {
					text += fmt.Sprintln(string(res.Position), res.Token)
				}
			}
			return out.add(text)
		},
	})
	return err
}

// writes is a sink of lines. What it has is passed over.
type writes struct{ out *lines }

func (s writes) Write(_ context.Context, batch []transfer.Exported) error {
	text := ""
	for _, x := range batch {
		if x.Details.Token > s.out.last {
			text += fmt.Sprintln(x.Details.Token, x.Card.Number.LastFour())
		}
	}
	return s.out.add(text)
}

// kills is how often a task is killed: 6, or what CARDSEAL_KILLS says.
func kills(t *testing.T) int {
	text := os.Getenv("CARDSEAL_KILLS")
	if text == "" {
		return 6
	}
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}

// killed has a task done by processes that are killed at random moments, at most so
// many, and by one that is not. It returns how many there were. A child goes on with
// its next batch when it is told to: one that is to be killed gets no further.
func killed(t *testing.T, dir, task string, most int) (n int) {
	t.Helper()
	for {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), childDir+"="+dir, childTask+"="+task)
		c.Stderr = os.Stderr
		in, err := c.StdinPipe()
		require.NoError(t, err)
		out, err := c.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, c.Start())
		left, shot := rand.IntN(killRecords/killBatch/3), (*time.Timer)(nil)
		for said := bufio.NewScanner(out); said.Scan(); left-- {
			switch {
			case left > 0 || n == most:
				_, _ = in.Write([]byte{1})
			case left == 0:
				shot = time.AfterFunc(rand.N(3*time.Millisecond), func() { _ = c.Process.Kill() })
				_, _ = in.Write([]byte{1})
			}
		}
		err = c.Wait()
		if shot != nil {
			shot.Stop()
		}
		if c.ProcessState.ExitCode() != -1 { // it ran through
			require.NoError(t, err)
			return n
		}
		n++
	}
}

// Processes that are killed somewhere in an import and an export, again and again,
// come to what one process would have: every record once, nothing missing.
func TestKilled(t *testing.T) {
	for _, generation := range []string{"MADE", "KEPT"} {
		t.Run(generation, func(t *testing.T) {
			for left := kills(t); left > 0; {
				dir := t.TempDir()
				require.NoError(t, local.CreateKeyFile(filepath.Join(dir, "kek")))
				for _, task := range []string{"import ", "export "} {
					n := killed(t, dir, task+generation, max(left, 1))
					require.Positive(t, n)
					left -= n
				}
				checkKilled(t, dir, generation)
			}
		})
	}
}

func checkKilled(t *testing.T, dir, generation string) {
	t.Helper()
	r, done, err := openVault(t.Context(), dir, generation)
	require.NoError(t, err)
	defer done()
	imported := fields(t, filepath.Join(dir, "import"+generation))
	require.Len(t, imported, killRecords)
	tokens := map[string]string{} // with last four
	for i, f := range imported {
		require.Equal(t, string(row(i+1)), f[0])
		if generation == "KEPT" {
			require.Equal(t, "old"+f[0], f[1])
		}
		tokens[f[1]] = counted(i + 1).LastFour()
	}
	require.Len(t, tokens, killRecords, "a token came twice")
	for i, f := range imported {
		if i%50 == 0 {
			holds(t, r, f[1], counted(i+1))
		}
	}
	stored := all(t, r)
	require.Len(t, stored, killRecords, "the vault holds a token that is in no line")
	exported := fields(t, filepath.Join(dir, "export"+generation))
	require.Len(t, exported, killRecords)
	for i, f := range exported {
		require.Equal(t, stored[i], f[0])
		require.Equal(t, tokens[f[0]], f[1])
	}
}

func fields(t *testing.T, path string) (all [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		all = append(all, strings.Fields(line))
		require.Len(t, all[len(all)-1], 2)
	}
	return all
}
