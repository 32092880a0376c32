package tokenize_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// A data key whose fence is closed seals nothing more that is written: the save
// says so after a bounded number of tries, and succeeds once the key was replaced.
func TestClosedFence(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		old := w.save(r, req(t, visa))
		key, ok := envelope.StoredKeyID(w.row(r, old.Token).Sealed[0].Record)
		require.True(t, ok)
		require.NoError(t, w.db.Cards().CloseFence(t.Context(), key))

		before := w.dump(r)
		for range 2 {
			w.cards.set(nil, nil)
			_, err := r.Save(t.Context(), req(t, amex))
			e := fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled)
			require.Equal(t, "KEY_FENCED", e.SupportCode)
			require.Less(t, len(w.cards.made()), 20)
			_, err = r.SaveBatch(t.Context(), []tokenize.SaveRequest{req(t, amex), req(t, master)})
			fails(t, err, tokenize.ServerFailed, "", keys.ErrDisabled)
		}
		require.Equal(t, before, w.dump(r), "nothing was written")
		w.holds(r, old.Token, visa)

		// Another process replaces the key; this one still believes its lease.
		next, err := w.manager().Rotate(t.Context(), keys.PAN)
		require.NoError(t, err)
		require.NotEqual(t, key, next)
		d := w.save(r, req(t, amex))
		got, _ := envelope.StoredKeyID(w.row(r, d.Token).Sealed[0].Record)
		require.Equal(t, next, got)
		for _, res := range w.batch(r, req(t, master), req(t, diners)) {
			require.Nil(t, res.Err)
		}
		w.holds(r, d.Token, amex)
		w.holds(r, old.Token, visa)
		n, err := w.db.Cards().CountByKey(t.Context(), key)
		require.NoError(t, err)
		require.Equal(t, uint64(1), n)

		// Deleting what the old key sealed needs no fence.
		require.NoError(t, r.Delete(t.Context(), me, old.Token))
		n, err = w.db.Cards().CountByKey(t.Context(), key)
		require.NoError(t, err)
		require.Zero(t, n)
	})
}

// A row that was sealed under a fenced key can be given a new number, and then
// stands under the new key.
func TestNewNumberBehindAFence(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	key, _ := envelope.StoredKeyID(w.row(r, d.Token).Sealed[0].Record)
	next, err := w.keys.Rotate(t.Context(), keys.PAN)
	require.NoError(t, err)
	require.NoError(t, w.db.Cards().CloseFence(t.Context(), key))
	w.save(r, with(t, d.Token, amex))
	got, _ := envelope.StoredKeyID(w.row(r, d.Token).Sealed[0].Record)
	require.Equal(t, next, got)

	// Other changes of such a row keep its sealed values, and are refused as long
	// as these were not sealed anew.
	w.rewriteFenced(r)
}

// rewriteFenced changes the expiry alone of a row behind a fence.
func (w *world) rewriteFenced(r *tokenize.Repository) {
	w.Helper()
	d := w.save(r, req(w, master))
	key, _ := envelope.StoredKeyID(w.row(r, d.Token).Sealed[0].Record)
	_, err := w.keys.Rotate(w.ctx, keys.PAN)
	require.NoError(w, err)
	require.NoError(w, w.db.Cards().CloseFence(w.ctx, key))
	_, err = r.Save(w.ctx, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Expiry: card.Expiry{Month: 1, Year: 2030}}})
	e := fails(w, err, tokenize.ServerFailed, "", keys.ErrDisabled)
	require.Equal(w, "KEY_FENCED", e.SupportCode)
	w.holds(r, d.Token, master)
}
