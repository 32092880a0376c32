package bulk

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// A KMS that refuses ends the run, whatever the reason: to refuse every row would
// be the end of a run that could go on.
func TestRefusalsOfTheKMSEndTheRun(t *testing.T) {
	db := memory.New()
	t.Cleanup(func() { _ = db.Close() })
	kek := keystest.NewKEK("test")
	repository := func() *tokenize.Repository {
		m, err := keys.Open(t.Context(), db.Keys(), kek, &keys.Options{Tries: 1})
		require.NoError(t, err)
		t.Cleanup(func() { _ = m.Close() })
		v, err := tokenize.Open(t.Context(), db.Cards(), m, nil)
		require.NoError(t, err)
		r, err := v.EnsureRepository(t.Context(), tokenize.Config{ID: "R", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard})
		require.NoError(t, err)
		return r
	}
	caller := tokenize.Caller{Permissions: tokenize.MaySave | tokenize.MayReveal}
	pan, err := card.ParsePAN("4111111111111111")
	require.NoError(t, err)
	saved, err := repository().Save(t.Context(), tokenize.SaveRequest{Caller: caller, Card: card.Details{Number: pan}})
	require.NoError(t, err)
	for _, kind := range []error{
		keys.ErrDisabled, keys.ErrNotFound, keys.ErrDenied, keys.ErrUnavailable, keys.ErrThrottled, keys.ErrCorrupt, context.DeadlineExceeded,
	} {
		kek.SetError(&keys.CallError{Call: "kms:Decrypt", Kind: kind})
		b := Detokenize(repository(), caller, "test", rows.Header{}, 0).NewBatch()
		b.Add([]byte(saved.Token))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		require.ErrorIs(t, b.Commit(ctx, nil), kind)
		cancel()
	}
}
