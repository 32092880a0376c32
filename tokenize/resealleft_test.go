package tokenize_test

import (
	"context"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// A row of which a value does not open is left whole and named, the others go on,
// and the next call tries again.
func TestResealOfWhatDoesNotOpen(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		var tokens []string
		for i := range 6 {
			tokens = append(tokens, w.save(r, tokenize.SaveRequest{Caller: me,
				Card: card.Details{Number: counted(t, i), Holder: "A HOLDER"}}).Token)
		}
		old := active(t, w.keys, keys.PAN)
		next := w.rotate()
		slices.Sort(tokens)
		bad := []string{tokens[1], tokens[4]}
		whole := w.row(r, bad[1])
		require.Equal(t, seal.Holder, seal.Field(whole.Sealed[1].Field))
		w.rewrite(r, bad[0], func(row *store.Row) { row.RecordID[0] ^= 1 })
		w.rewrite(r, bad[1], func(row *store.Row) { row.Sealed[1].Generation++ })

		for _, batch := range []int{2, 0} {
			var left []string
			p, err := r.Reseal(t.Context(), tokenize.ResealOptions{Caller: me, Batch: batch, OnLeft: func(token string, err error) {
				fails(t, err, tokenize.ServerFailed, "", envelope.ErrOpen)
				left = append(left, token)
			}})
			require.Equal(t, "UNSEALED", fails(t, err, tokenize.RequestRejected, "", tokenize.ErrUnsealed).SupportCode)
			require.Equal(t, bad, left)
			require.Equal(t, int64(2), p.Left)
			require.Equal(t, int64(6), p.Rows)
			require.False(t, p.Done)
		}
		require.Equal(t, uint64(4), w.use(old).Records)
		w.rewrite(r, bad[0], func(row *store.Row) { row.RecordID[0] ^= 1 })
		require.NoError(t, r.Delete(t.Context(), me, bad[1]))
		require.Equal(t, int64(1), w.reseal(r, tokenize.ResealOptions{}).Changed)
		w.under(r, next, 10)
	})
}

// What an earlier call left is named by the call that goes on.
func TestResealNamesWhatWasLeftBefore(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.rowsOf(r, 4)
	w.rotate()
	bad := w.all(r)[0]
	w.rewrite(r, bad, func(row *store.Row) { row.RecordID[0] ^= 1 })
	ctx, cancel := context.WithCancel(t.Context())
	_, err := r.Reseal(ctx, tokenize.ResealOptions{Caller: me, Batch: 1, OnProgress: func(p tokenize.Progress) {
		require.Equal(t, int64(1), p.Left)
		cancel()
	}})
	require.ErrorIs(t, err, context.Canceled)
	var left []string
	_, err = r.Reseal(t.Context(), tokenize.ResealOptions{Caller: me, OnLeft: func(token string, _ error) { left = append(left, token) }})
	fails(t, err, tokenize.RequestRejected, "", tokenize.ErrUnsealed)
	require.Equal(t, []string{bad}, left)
}

// A disabled key keeps its rows where they are until it is enabled. A KMS that is
// away ends the call, and nobody's card is counted as left for that.
func TestResealWithoutKeys(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.rowsOf(r, 3)
	old := active(t, w.keys, keys.PAN)
	next := w.rotate()
	for _, down := range []error{keys.ErrUnavailable, keys.ErrDenied, keys.ErrThrottled} {
		w.kek.SetError(down)
		p, err := w.other(r).Reseal(t.Context(), tokenize.ResealOptions{Caller: me})
		require.ErrorIs(t, err, down)
		require.Zero(t, p.Left)
	}
	w.kek.SetError(nil)
	require.NoError(t, w.keys.Disable(t.Context(), old))
	n := 0
	_, err := r.Reseal(t.Context(), tokenize.ResealOptions{Caller: me, OnLeft: func(_ string, err error) {
		require.ErrorIs(t, err, keys.ErrDisabled)
		n++
	}})
	fails(t, err, tokenize.RequestRejected, "", tokenize.ErrUnsealed)
	require.Equal(t, 3, n)
	require.NoError(t, w.keys.Enable(t.Context(), old))
	w.reseal(r, tokenize.ResealOptions{})
	w.under(r, next, 3)
}
