package tokenize_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// resealing brings the cards under the active key, and goes on where one before was
// killed.
func resealing(ctx context.Context, p *process) error {
	got, err := p.repo.Reseal(ctx, tokenize.ResealOptions{Caller: me, Batch: 3,
		OnProgress: func(p tokenize.Progress) { fmt.Println(p.Rows) }})
	if err == nil && !got.Done {
		err = fmt.Errorf("not done after %d rows", got.Rows)
	}
	return err
}

// A process that is killed somewhere in a reseal, again and again, over rotations
// and saves, leaves a vault in which every card opens. The next one goes on where it
// was, and in the end no earlier key is needed.
func TestResealKilled(t *testing.T) {
	const cards, kills = 30, 12
	dir := t.TempDir()
	require.NoError(t, local.CreateKeyFile(filepath.Join(dir, "kek")))
	var tokens []string
	save := func(r *tokenize.Repository) {
		d, err := r.Save(t.Context(), tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, len(tokens)), Holder: "A HOLDER"}})
		require.NoError(t, err)
		tokens = append(tokens, d.Token)
	}
	// between is what other processes do after a kill.
	between := func(work func(p *process)) {
		p, err := openVault(t.Context(), dir)
		require.NoError(t, err)
		defer p.close()
		for i, token := range tokens {
			d, err := p.repo.Reveal(t.Context(), me, token, "settlement")
			require.NoError(t, err, "card %d", i)
			require.True(t, d.Number.Equal(counted(t, i)))
			require.Equal(t, "A HOLDER", d.Holder)
		}
		work(p)
	}
	between(func(p *process) {
		for range cards {
			save(p.repo)
		}
	})
	before, wentOn := 0, 0
	for n := range kills {
		rotated := n%4 == 0
		if rotated {
			between(func(p *process) {
				_, err := p.keys.Rotate(t.Context(), keys.PAN)
				require.NoError(t, err)
				save(p.repo)
			})
		}
		c, lines := startChild(t, dir, "reseal")
		rows := 0
		for left := n % 4; lines.Scan(); left-- {
			last := rows
			_, err := fmt.Sscan(lines.Text(), &rows)
			require.NoError(t, err)
			if last == 0 && !rotated && before > 0 && before < len(tokens) {
				require.Greater(t, rows, before, "it begins anew")
				wentOn++
			}
			if left == 0 {
				require.NoError(t, c.Process.Kill())
			}
		}
		_ = c.Wait() // it was killed
		before = rows
		between(func(*process) {})
	}
	require.Positive(t, wentOn)
	between(func(p *process) {
		require.NoError(t, resealing(t.Context(), p))
		records, err := p.keys.Records(t.Context(), keys.PAN)
		require.NoError(t, err)
		require.Len(t, records, 1+kills/4)
		for _, rec := range records {
			use, err := p.vault.KeyUse(t.Context(), rec.ID)
			require.NoError(t, err)
			if rec.State == keys.Active {
				require.Equal(t, uint64(2*len(tokens)), use.Records)
			} else {
				require.Zero(t, use.Records)
			}
		}
	})
	between(func(*process) {})
}
