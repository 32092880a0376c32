package tokenize_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestDelete(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			for _, m := range managements {
				r := w.repo(g, m)
				d := w.first(r, visa)
				w.sink.take()
				require.NoError(t, r.Delete(t.Context(), me, d.Token))
				events := w.sink.take()
				require.Len(t, events, 1)
				require.Equal(t, audit.Delete, events[0].Action)
				require.Equal(t, audit.Done, events[0].Outcome)
				require.Equal(t, d.Token, events[0].Token)

				// Only the tombstone is left.
				row := w.row(r, d.Token)
				order := row.Order
				row.Order = ""
				require.Equal(t, store.Row{Scope: row.Scope, Token: d.Token, Version: 2, Status: store.Deleted}, row)
				require.Equal(t, g == tokenize.Preserve64, order != "", "its place in the order is kept")

				got, err := r.Get(t.Context(), me, d.Token)
				require.NoError(t, err)
				require.Equal(t, tokenize.Details{Token: d.Token, Repository: r.Config().ID, Status: tokenize.Deleted, Version: 2}, got)
				_, err = r.Reveal(t.Context(), me, d.Token, "settlement")
				fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
				_, err = r.Save(t.Context(), with(t, d.Token, visa))
				fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
				_, err = r.Save(t.Context(), tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "X"}})
				fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
				_, err = r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token})
				fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
				require.NoError(t, r.Delete(t.Context(), me, d.Token), "it is deleted")
				require.Empty(t, w.all(r))

				// The card itself can come back, under another token.
				q := req(t, visa)
				if g == tokenize.MerchantProvided {
					q.Token = "Another"
				}
				again := w.save(r, q)
				require.Equal(t, tokenize.Created, again.Outcome)
				require.NotEqual(t, d.Token, again.Token)
			}
		}
	})
}

// A card that is deleted between the look-up and the read of its row is a new one,
// not a deleted token that the caller never named.
func TestDeletedBetweenLookUpAndRead(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	other := w.other(r)
	for _, n := range []int{1, 2} { // by Save and by SaveBatch
		d := w.save(r, req(t, visa))
		once := true
		w.cards.set(nil, func(op string, _ int) error {
			if op == "ByIndex" && once {
				once = false
				return other.Delete(t.Context(), me, d.Token)
			}
			return nil
		})
		qs := []tokenize.SaveRequest{req(t, visa), req(t, amex)}
		for _, res := range w.batch(r, qs[:n]...) {
			require.Nil(t, res.Err)
			require.NotEqual(t, d.Token, res.Details.Token)
		}
		w.cards.set(nil, nil)
		require.False(t, once)
		w.holds(r, w.save(r, req(t, visa)).Token, visa)
	}
}

// A token that came to hold another card between the look-up and the read of its
// row keeps that card.
func TestChangedBetweenLookUpAndRead(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	other := w.other(r)
	d := w.save(r, req(t, visa))
	once := true
	w.cards.set(nil, func(op string, _ int) error {
		if op == "ByIndex" && once {
			once = false
			_, err := other.Save(t.Context(), with(t, d.Token, master))
			return err
		}
		return nil
	})
	again := w.save(r, req(t, visa))
	require.False(t, once)
	require.NotEqual(t, d.Token, again.Token)
	w.holds(r, d.Token, master)
	w.holds(r, again.Token, visa)
}

func TestDeletePermission(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	d := w.save(r, req(t, visa))
	c := me
	c.Permissions &^= tokenize.MayDelete
	fails(t, r.Delete(t.Context(), c, d.Token), tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	w.holds(r, d.Token, visa)
}

// row reads a row as the store has it.
func (w *world) row(r *tokenize.Repository, token string) store.Row {
	w.Helper()
	rows, err := w.db.Cards().Get(w.ctx, scopeID(w, r), []string{token})
	require.NoError(w, err)
	return rows[0]
}

// rewrite changes a row as somebody would who can write to the store.
func (w *world) rewrite(r *tokenize.Repository, token string, change func(*store.Row)) {
	w.Helper()
	row := w.row(r, token)
	change(&row)
	out, err := w.db.Cards().Write(w.ctx, []store.Write{{Row: row, Epoch: w.stored(r).Epoch}}, nil)
	require.NoError(w, err)
	require.Equal(w, store.Written, out[0].Result)
}

// other is the same repository seen by another process.
func (w *world) other(r *tokenize.Repository) *tokenize.Repository {
	w.Helper()
	v, err := tokenize.Open(w.ctx, w.db.Cards(), w.manager(), &tokenize.Options{CaptureKeys: w.capture})
	require.NoError(w, err)
	same, err := v.Repository(w.ctx, r.Config().ID)
	require.NoError(w, err)
	return same
}
