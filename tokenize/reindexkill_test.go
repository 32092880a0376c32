package tokenize_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// childDir names the folder of a vault that the test binary, as a child process,
// is to work on, and childWork what it does there: a name of works.
const (
	childDir  = "CARDSEAL_TOKENIZE_TEST_DIR"
	childWork = "CARDSEAL_TOKENIZE_TEST_WORK"
)

var works = map[string]func(ctx context.Context, p *process) error{"reindex": reindexing, "reseal": resealing}

// process is a vault in a folder as a process of its own has it open.
type process struct {
	keys  *keys.Manager
	vault *tokenize.Vault
	repo  *tokenize.Repository
	close func()
}

func openVault(ctx context.Context, dir string) (*process, error) {
	db, err := bolt.Open(ctx, filepath.Join(dir, "vault.db"), &bolt.Options{Create: true})
	if err != nil {
		return nil, err
	}
	kek, err := local.OpenKeyFile(filepath.Join(dir, "kek"))
	if err != nil {
		return nil, err
	}
	m, err := keys.Open(ctx, db.Keys(), kek, nil)
	if err != nil {
		return nil, err
	}
	v, err := tokenize.Open(ctx, db.Cards(), m, &tokenize.Options{AllowDevelopmentKEK: true})
	if err != nil {
		return nil, err
	}
	r, err := v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard})
	return &process{m, v, r, func() { m.Close(); kek.Close(); db.Close() }}, err
}

// child is what the child does.
func child(dir, work string) error {
	ctx := context.Background() // a process of its own has no test to take it from
	p, err := openVault(ctx, dir)
	if err != nil {
		return err
	}
	defer p.close()
	return works[work](ctx, p)
}

// startChild starts a process at work on a vault, which says a line after each batch.
func startChild(t *testing.T, dir, work string) (*exec.Cmd, *bufio.Scanner) {
	t.Helper()
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), childDir+"="+dir, childWork+"="+work)
	c.Stderr = os.Stderr
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	return c, bufio.NewScanner(out)
}

// reindexing goes on with the rotation there is, or begins one.
func reindexing(ctx context.Context, p *process) error {
	st, err := p.repo.IndexStatus(ctx)
	if err != nil {
		return err
	}
	_, err = p.repo.Reindex(ctx, tokenize.ReindexOptions{Caller: me, Batch: 3, NewKey: st.Phase == tokenize.Settled,
		OnProgress: func(p tokenize.Progress) { fmt.Println(p.Phase, p.Rows) }})
	return err
}

// A process that is killed somewhere in a rotation, again and again, leaves a vault
// in which every card has its one token, and which another process completes.
func TestReindexKilled(t *testing.T) {
	const cards, kills = 30, 12
	dir := t.TempDir()
	require.NoError(t, local.CreateKeyFile(filepath.Join(dir, "kek")))
	var tokens []string
	save := func(r *tokenize.Repository, i int) string {
		d, err := r.Save(t.Context(), tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}})
		require.NoError(t, err)
		return d.Token
	}
	// between is what other processes do after a kill.
	between := func(complete bool) {
		p, err := openVault(t.Context(), dir)
		require.NoError(t, err)
		defer p.close()
		r := p.repo
		if complete {
			p, err := r.Reindex(t.Context(), tokenize.ReindexOptions{Caller: me})
			require.NoError(t, err)
			require.True(t, p.Done)
		}
		for i, token := range tokens {
			require.Equal(t, token, save(r, i), "card %d", i)
		}
		tokens = append(tokens, save(r, len(tokens)))
		all := 0
		require.NoError(t, r.Each(t.Context(), me, "", func(tokenize.Details) bool { all++; return true }))
		require.Equal(t, len(tokens), all, "a card has two tokens")
	}
	for range cards {
		between(false)
	}
	phases := map[string]bool{}
	for n := range kills {
		c, lines := startChild(t, dir, "reindex")
		// It is killed after some batches, at whatever it does then.
		for left := n % 7; lines.Scan(); left-- {
			var phase string
			_, err := fmt.Sscan(lines.Text(), &phase)
			require.NoError(t, err)
			phases[phase] = true
			if left == 0 {
				require.NoError(t, c.Process.Kill())
			}
		}
		_ = c.Wait() // it was killed
		between(false)
	}
	require.Equal(t, map[string]bool{"filling": true, "dropping": true}, phases)
	between(true)
}
