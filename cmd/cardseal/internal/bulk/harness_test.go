package bulk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// bench is a repository in memory whose store fails when told to, and a folder.
type bench struct {
	t     *testing.T
	repo  *tokenize.Repository
	store *failing
	dir   string
	lines int // rows in the input

	durable map[string]int64 // lengths of the files aside that a power failure leaves
}

// failing is a store that fails a call, before or after it took effect.
type failing struct {
	store.Cards
	call  int  // of Write and EndJob, counted up
	at    int  // the call that fails; 0: none
	after bool // it fails after it took effect: what a kill looks like

	begins func() func() // called as a Write begins; what it returns, once it took effect
}

var errKilled = errors.New("killed")

func (f *failing) fails(before bool) bool {
	if before {
		f.call++
	}
	return f.call == f.at && before != f.after
}

func (f *failing) Write(ctx context.Context, w []store.Write, j *store.Job) ([]store.Outcome, error) {
	if f.fails(true) {
		return nil, errKilled
	}
	done := f.begins()
	out, err := f.Cards.Write(ctx, w, j)
	if err == nil {
		done()
	}
	if err == nil && f.fails(false) {
		return nil, errKilled
	}
	return out, err
}

func (f *failing) EndJob(ctx context.Context, id store.JobID) error {
	if f.fails(true) {
		return errKilled
	}
	err := f.Cards.EndJob(ctx, id)
	if err == nil && f.fails(false) {
		return errKilled
	}
	return err
}

func newBench(t *testing.T, m tokenize.Management, lines int) *bench {
	t.Helper()
	ctx := context.Background()
	db := memory.New()
	t.Cleanup(func() { _ = db.Close() })
	manager, err := keys.Open(ctx, db.Keys(), keystest.NewKEK("test"), nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = manager.Close() })
	f := &failing{Cards: db.Cards()}
	b := &bench{t: t, store: f, dir: t.TempDir(), lines: lines}
	f.begins = b.sizes
	v, err := tokenize.Open(ctx, f, manager, nil)
	require.NoError(t, err)
	repo, err := v.EnsureRepository(ctx, tokenize.Config{ID: "R", Generation: tokenize.RandomWithLuhn, Management: m})
	require.NoError(t, err)
	b.repo = repo
	b.writeInput()
	return b
}

// writeInput writes distinct made-up numbers; every 700th row is bad.
func (b *bench) writeInput() {
	var in bytes.Buffer
	in.WriteString("number,ref\n")
	for i := range b.lines {
		if i%700 == 350 {
			fmt.Fprintf(&in, "bad,%d\n", i)
			continue
		}
		digits := fmt.Appendf(nil, "400000%09d", i)
		check, err := card.CheckDigit(digits)
		require.NoError(b.t, err)
		fmt.Fprintf(&in, "%s%c,%d\n", digits, check, i)
	}
	require.NoError(b.t, os.WriteFile(b.path("in"), in.Bytes(), 0o600))
}

// sizes notes how long the files aside are as a transaction begins: whatever is
// written to them later may be lost although the transaction is not.
func (b *bench) sizes() func() {
	now := map[string]int64{}
	for _, name := range []string{"out.part", "rejects.part"} {
		if info, err := os.Stat(b.path(name)); err == nil {
			now[name] = info.Size()
		}
	}
	return func() { b.durable = now }
}

// powerFailure cuts the files aside to what is durable.
func (b *bench) powerFailure() {
	for _, name := range []string{"out.part", "rejects.part"} {
		if size, ok := b.durable[name]; ok && b.has(name) {
			require.NoError(b.t, os.Truncate(b.path(name), size))
		} else {
			_ = os.Remove(b.path(name))
		}
	}
}

func (b *bench) has(name string) bool {
	_, err := os.Lstat(b.path(name))
	return err == nil
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

// run opens the files anew, as another process would.
func (b *bench) run(ctx context.Context, change func(*Run)) (Result, error) {
	b.t.Helper()
	in, err := os.Open(b.path("in"))
	require.NoError(b.t, err)
	defer in.Close()
	r := rows.NewReader(in, 0, 0)
	line, err := r.Next()
	require.NoError(b.t, err)
	h, err := rows.ParseHeader(line)
	require.NoError(b.t, err)
	run := &Run{
		Caller: tokenize.Caller{Permissions: tokenize.MaySave},
		In:     r, File: in, Out: b.path("out"), Rejects: b.path("rejects"), Name: "test", Repository: b.repo,
		Work: Tokenize(b.repo, tokenize.Caller{Permissions: tokenize.MaySave}, Columns{Header: h, Expiry: -1, Keep: []int{1}}),
	}
	if change != nil {
		change(run)
	}
	return run.Do(ctx)
}

// check holds the files against the input and the repository.
func (b *bench) check() {
	b.t.Helper()
	lines := strings.Split(strings.TrimSuffix(b.read("out"), "\n"), "\n")
	rejected := strings.Split(strings.TrimSuffix(b.read("rejects"), "\n"), "\n")
	require.Equal(b.t, "token,masked,brand,ref", lines[0])
	require.Equal(b.t, "line,field,reason", rejected[0])
	tokens := map[string]bool{}
	next := 1
	for i := range b.lines {
		if i%700 == 350 {
			require.True(b.t, strings.HasPrefix(rejected[1+i/700], fmt.Sprintf("%d,number,", i+2)))
			continue
		}
		fields := strings.Split(lines[next], ",")
		require.Equal(b.t, fmt.Sprint(i), fields[3])
		tokens[fields[0]] = true
		next++
	}
	require.Len(b.t, lines, next)
	require.Len(b.t, rejected, 1+(b.lines+349)/700)
	require.Len(b.t, tokens, next-1, "each row has a token of its own")
	stored := 0
	require.NoError(b.t, b.repo.Each(context.Background(), tokenize.Caller{Permissions: tokenize.MayRead}, "", func(d tokenize.Details) bool {
		stored++
		return tokens[d.Token]
	}))
	require.Equal(b.t, len(tokens), stored, "no card was saved twice")
	for _, name := range []string{"out.part", "rejects.part"} {
		_, err := os.Lstat(b.path(name))
		require.ErrorIs(b.t, err, os.ErrNotExist)
	}
}

func (b *bench) read(name string) string {
	b.t.Helper()
	content, err := os.ReadFile(b.path(name))
	require.NoError(b.t, err)
	return string(content)
}
