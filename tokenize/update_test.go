package tokenize_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// all lists the tokens of a repository.
func (w *world) all(r *tokenize.Repository) (tokens []string) {
	w.Helper()
	require.NoError(w, r.Each(w.ctx, me, "", func(d tokenize.Details) bool {
		tokens = append(tokens, d.Token)
		return true
	}))
	return tokens
}

// first saves a card in a repository of any generation.
func (w *world) first(r *tokenize.Repository, digits string) tokenize.Details {
	w.Helper()
	q := req(w, digits)
	if r.Config().Generation == tokenize.MerchantProvided {
		q.Token = "T" + digits[:6]
	}
	return w.save(r, q)
}

// In every repository a save against an existing token updates its details, and
// what is not given stays.
func TestSaveAgainstToken(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			for _, m := range managements {
				r := w.repo(g, m)
				d := w.first(r, visa)
				for _, step := range []struct{ give, want card.Details }{
					{card.Details{Expiry: card.Expiry{Month: 5, Year: 2029}}, card.Details{Expiry: card.Expiry{Month: 5, Year: 2029}}},
					{card.Details{Holder: "ONE"}, card.Details{Holder: "ONE", Expiry: card.Expiry{Month: 5, Year: 2029}}},
					{card.Details{Expiry: card.Expiry{Month: 6, Year: 2030}}, card.Details{Holder: "ONE", Expiry: card.Expiry{Month: 6, Year: 2030}}},
					{card.Details{Number: number(t, visa), Holder: "TWO"}, card.Details{Holder: "TWO", Expiry: card.Expiry{Month: 6, Year: 2030}}},
				} {
					u := w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: step.give})
					require.Equal(t, tokenize.Updated, u.Outcome)
					require.Equal(t, d.Token, u.Token)
					got := w.reveal(r, d.Token)
					require.Equal(t, visa, string(got.Number.AppendDigits(nil)))
					require.Equal(t, step.want.Holder, got.Holder)
					require.Equal(t, step.want.Expiry, got.Expiry)
				}
				// Nothing given, nothing changed.
				same := w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token})
				require.Equal(t, tokenize.Existing, same.Outcome)
				require.Len(t, w.all(r), 1)
			}
		}
	})
}

// A new number goes behind a token, but not behind one that shows the old number's
// digits.
func TestNumberChange(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			for _, m := range managements {
				r := w.repo(g, m)
				d := w.first(r, visa)
				u, err := r.Save(t.Context(), with(t, d.Token, amex))
				if g == tokenize.Preserve64 {
					fails(t, err, tokenize.RequestRejected, card.FieldNumber, nil)
					w.holds(r, d.Token, visa)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, card.BrandAmex, u.Brand)
				require.Equal(t, "378282xxxxx0005", u.Masked)
				require.Equal(t, "378282", u.BIN)
				w.holds(r, d.Token, amex)

				// In UNIQUE_CARD the old number is free and the new one is not.
				if m == tokenize.UniqueCard && g != tokenize.MerchantProvided {
					require.Equal(t, d.Token, w.save(r, req(t, amex)).Token)
					require.NotEqual(t, d.Token, w.save(r, req(t, visa)).Token)
				}
			}
		}
	})
}

// UNIQUE_CARD: a number that another token holds is refused.
func TestNumberOfAnotherToken(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range []tokenize.Generation{tokenize.RandomWithLuhn, tokenize.MerchantProvided, tokenize.UUID} {
			r := w.repo(g, tokenize.UniqueCard)
			w.first(r, visa)
			d := w.first(r, amex)
			_, err := r.Save(t.Context(), with(t, d.Token, visa))
			fails(t, err, tokenize.RequestRejected, card.FieldNumber, tokenize.ErrCardHasToken)
			_, err = r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: card.Details{Number: number(t, visa)}})
			fails(t, err, tokenize.RequestRejected, card.FieldNumber, tokenize.ErrCardHasToken)
			w.holds(r, d.Token, amex)

			r = w.repo(g, tokenize.UniqueToken)
			w.first(r, visa)
			d = w.first(r, amex)
			w.save(r, with(t, d.Token, visa))
			w.holds(r, d.Token, visa)
		}
	})
}

func TestUpdate(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			r := w.repo(g, tokenize.UniqueCard)
			d := w.first(r, visa)
			w.sink.take()
			u, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "NEW"}, CorrelationID: "c-9"})
			require.NoError(t, err)
			require.Equal(t, tokenize.Updated, u.Outcome)
			require.Equal(t, "c-9", u.CorrelationID)
			events := w.sink.take()
			require.Len(t, events, 1)
			require.Equal(t, audit.Update, events[0].Action)
			require.Equal(t, audit.Updated, events[0].Outcome)

			// Whoever may save may not update by that alone, nor the other way round.
			saver, updater := me, me
			saver.Permissions, updater.Permissions = tokenize.MaySave, tokenize.MayUpdate
			q := tokenize.UpdateRequest{Caller: saver, Token: d.Token, Card: card.Details{Holder: "X"}, CorrelationID: "c-10"}
			_, err = r.Update(t.Context(), q)
			e := fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
			require.Equal(t, "c-10", e.CorrelationID)
			q.Caller = updater
			_, err = r.Update(t.Context(), q)
			require.NoError(t, err)

			q.ExpectVersion = 1
			_, err = r.Update(t.Context(), q)
			fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrConflict)

			// No token is made by an update.
			q = tokenize.UpdateRequest{Caller: me, Token: unknownToken(g), Card: card.Details{Number: number(t, amex)}}
			_, err = r.Update(t.Context(), q)
			fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
			q.Token = ""
			_, err = r.Update(t.Context(), q)
			require.Equal(t, tokenize.Missing, fails(t, err, tokenize.InvalidRequest, "token", nil).Kind)
			require.Len(t, w.all(r), 1)
		}
	})
}

// unknownToken is well formed and in no repository of these tests.
func unknownToken(g tokenize.Generation) string {
	switch g {
	case tokenize.RandomWithLuhn:
		return "9000000000000001"
	case tokenize.Preserve64:
		return "4111110000001112"
	case tokenize.MerchantProvided:
		return "Nobody"
	}
	return "00000000-0000-4000-8000-000000000000"
}

func TestUnknownToken(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			r := w.repo(g, tokenize.UniqueCard)
			for _, token := range []string{unknownToken(g), "", "?", "\x00"} {
				_, err := r.Get(t.Context(), me, token)
				fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
				_, err = r.Reveal(t.Context(), me, token, "settlement")
				fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
				err = r.Delete(t.Context(), me, token)
				fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
			}
			if g != tokenize.MerchantProvided {
				for _, token := range []string{unknownToken(g), "?"} {
					_, err := r.Save(t.Context(), with(t, token, visa))
					fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
				}
			}
			// Details alone make no token.
			_, err := r.Save(t.Context(), tokenize.SaveRequest{Caller: me, Token: unknownToken(g), Card: card.Details{Holder: "X"}})
			require.Error(t, err)
			_, err = r.Save(t.Context(), tokenize.SaveRequest{Caller: me, Card: card.Details{Holder: "X"}})
			require.Equal(t, tokenize.Missing, fails(t, err, tokenize.InvalidRequest, card.FieldNumber, nil).Kind)
			require.Empty(t, w.all(r))
		}
	})
}

func TestRequireExpiry(t *testing.T) {
	w := inMemory(t)
	for _, g := range generations {
		r := w.repo(g, tokenize.UniqueCard, func(c *tokenize.Config) { c.RequireExpiry = true })
		q := req(t, visa)
		if g == tokenize.MerchantProvided {
			q.Token = "A"
		}
		_, err := r.Save(t.Context(), q)
		require.Equal(t, tokenize.Missing, fails(t, err, tokenize.InvalidRequest, card.FieldExpiry, nil).Kind)
		q.Card.Expiry = card.Expiry{Month: 12, Year: 2030}
		d := w.save(r, q)
		// The expiry that is stored is enough.
		q.Card.Expiry = card.Expiry{}
		require.Equal(t, d.Token, w.save(r, q).Token)
		require.Equal(t, card.Expiry{Month: 12, Year: 2030}, w.reveal(r, d.Token).Expiry)
	}
}

// Each walks in order, from a token on, without the deleted, until it is told to
// stop.
func TestEach(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueToken)
		for _, token := range []string{"d", "b", "a", "c", "B"} {
			w.save(r, with(t, token, visa))
		}
		require.NoError(t, r.Delete(t.Context(), me, "c"))
		require.Equal(t, []string{"B", "a", "b", "d"}, w.all(r))
		var some []string
		require.NoError(t, r.Each(t.Context(), me, "B", func(d tokenize.Details) bool {
			require.Equal(t, "411111xxxxxx1111", d.Masked)
			some = append(some, d.Token)
			return len(some) < 2
		}))
		require.Equal(t, []string{"a", "b"}, some)
		err := r.Each(t.Context(), tokenize.Caller{}, "", func(tokenize.Details) bool { return true })
		fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	})
}

// A use alone is written down once a minute.
func TestLastUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		time.Sleep(time.Minute - time.Millisecond)
		again := w.save(r, req(t, visa))
		require.Equal(t, d.LastUsed, again.LastUsed)
		require.Equal(t, d.Version, again.Version)
		time.Sleep(time.Millisecond)
		again = w.save(r, req(t, visa))
		require.Equal(t, d.LastUsed.Add(time.Minute), again.LastUsed)
		require.Equal(t, d.Updated, again.Updated, "a use is no update")
		require.Equal(t, tokenize.Existing, again.Outcome)
		got, err := r.Get(t.Context(), me, d.Token)
		require.NoError(t, err)
		require.Equal(t, again.LastUsed, got.LastUsed)
		require.Equal(t, again.Version, got.Version)
	})
}

// A token found invalid by an account updater is so in its details, until its
// details are updated.
func TestInvalid(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		w.rewrite(r, d.Token, func(row *store.Row) { row.Invalid = true })
		got, err := r.Get(t.Context(), me, d.Token)
		require.NoError(t, err)
		require.False(t, got.Valid)
		u := w.save(r, tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Expiry: card.Expiry{Month: 1, Year: 2040}}})
		require.True(t, u.Valid)
	})
}
