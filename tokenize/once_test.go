package tokenize_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

func keyed(q tokenize.SaveRequest, key string) tokenize.SaveRequest {
	q.IdempotencyKey = key
	return q
}

// The same key and request get the first answer again, in every repository.
func TestReplay(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			for _, m := range managements {
				r := w.repo(g, m)
				q := keyed(req(t, visa), "k1")
				if g == tokenize.MerchantProvided {
					q.Token = "A"
				}
				first := w.save(r, q)
				require.Equal(t, tokenize.Created, first.Outcome)
				for range 2 {
					q.CorrelationID = "c-2"
					again := w.save(r, q)
					require.Equal(t, tokenize.Replayed, again.Outcome)
					require.Equal(t, first.Token, again.Token)
					require.Equal(t, first.Version, again.Version)
					require.Equal(t, "c-2", again.CorrelationID)
				}
				require.Len(t, w.all(r), 1)
			}
		}
	})
}

// Another request under the key is refused, whichever part of it differs.
func TestReusedKey(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, m := range managements {
			r := w.repo(tokenize.UUID, m)
			q := keyed(req(t, visa), "k1")
			q.Card.Holder = "ONE"
			d := w.save(r, q)
			for _, change := range []func(*tokenize.SaveRequest){
				func(q *tokenize.SaveRequest) { q.Card.Number = number(t, amex) },
				func(q *tokenize.SaveRequest) { q.Card.Holder = "TWO" },
				func(q *tokenize.SaveRequest) { q.Card.Expiry = card.Expiry{Month: 1, Year: 2030} },
				func(q *tokenize.SaveRequest) { q.Token = d.Token },
				func(q *tokenize.SaveRequest) { q.Verification = tokenize.None },
				func(q *tokenize.SaveRequest) { q.Card.Email = "a@b" },
				func(q *tokenize.SaveRequest) { q.TokenExpiry = tokenize.Date{Year: 2030, Month: 1, Day: 1} },
				func(q *tokenize.SaveRequest) { q.Clear = tokenize.ClearEmail },
			} {
				other := q
				change(&other)
				_, err := r.Save(t.Context(), other)
				e := fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
				require.Equal(t, "REUSED_KEY", e.SupportCode)
			}
			require.Equal(t, "ONE", w.reveal(r, d.Token).Holder)
			require.Len(t, w.all(r), 1)

			// Another merchant's key is another key.
			q.Caller, q.Card.Number = w.merchant(r, "SHOP2"), number(t, master)
			require.Equal(t, tokenize.Created, w.save(r, q).Outcome)
		}
	})
}

// What the first call did must not be what refuses its repetition.
func TestReplayOfWhatCannotBeRepeated(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard)
		create := keyed(with(t, "A", visa), "create")
		create.CreateOnly = true
		w.save(r, create)
		require.Equal(t, tokenize.Replayed, w.save(r, create).Outcome)

		change := keyed(with(t, "A", master), "change")
		change.ExpectVersion = 1
		require.Equal(t, uint64(2), w.save(r, change).Version)
		require.Equal(t, tokenize.Replayed, w.save(r, change).Outcome)

		// The first card has another token by now.
		w.save(r, with(t, "B", visa))
		require.Equal(t, tokenize.Replayed, w.save(r, create).Outcome)
		w.holds(r, "A", master)

		// In a batch as well, and a reused key is told as such.
		reused := keyed(with(t, "C", visa), "create")
		res := w.batch(r, create, change, reused, with(t, "D", amex))
		require.Nil(t, res[0].Err)
		require.Equal(t, tokenize.Replayed, res[0].Details.Outcome)
		require.Nil(t, res[1].Err)
		require.Equal(t, tokenize.Replayed, res[1].Details.Outcome)
		require.ErrorIs(t, res[2].Err, tokenize.ErrReusedKey)
		require.Nil(t, res[3].Err)

		// A new key does not help.
		create.IdempotencyKey = "create again"
		_, err := r.Save(t.Context(), create)
		fails(t, err, tokenize.RequestRejected, card.FieldNumber, tokenize.ErrCardHasToken)
		create.Card.Number = number(t, amex)
		create.Token = "A"
		_, err = r.Save(t.Context(), create)
		require.Error(t, err)
	})
}

// A key is remembered for 30 days and not a moment more.
func TestKeyForgottenInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, memory.New(), nil)
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		q := keyed(req(t, visa), "k1")
		first := w.save(r, q)
		time.Sleep(30*24*time.Hour - time.Millisecond)
		require.Equal(t, first.Token, w.save(r, q).Token)
		time.Sleep(time.Millisecond)
		second := w.save(r, q)
		require.Equal(t, tokenize.Created, second.Outcome)
		require.NotEqual(t, first.Token, second.Token)
	})
}

// With its token a key is forgotten too.
func TestKeyForgottenOnDelete(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, m := range managements {
			r := w.repo(tokenize.UUID, m)
			q := keyed(req(t, visa), "k1")
			first := w.save(r, q)
			require.NoError(t, r.Delete(t.Context(), me, first.Token))
			second := w.save(r, q)
			require.Equal(t, tokenize.Created, second.Outcome)
			require.NotEqual(t, first.Token, second.Token)
			require.Equal(t, second.Token, w.save(r, q).Token)
			// The forgotten key may even be another request's.
			require.NoError(t, r.Delete(t.Context(), me, second.Token))
			require.Equal(t, tokenize.Created, w.save(r, keyed(req(t, amex), "k1")).Outcome)
		}
	})
}

func TestKeyTooLong(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	w.save(r, keyed(req(t, visa), strings.Repeat("k", 255)))
	_, err := r.Save(t.Context(), keyed(req(t, amex), strings.Repeat("k", 256)))
	fails(t, err, tokenize.InvalidRequest, "idempotencyKey", nil)
}

// Repetitions within one batch.
func TestRepeatsInABatch(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueToken)
		res := w.batch(r,
			keyed(req(t, visa), "k1"), keyed(req(t, visa), "k1"), // one call, sent twice
			req(t, visa),                                                        // a card of its own
			keyed(req(t, amex), "k1"),                                           // the key with another card
			keyed(req(t, "4111111111111112"), "k2"), keyed(req(t, visa2), "k2")) // bad, and so no first
		require.Nil(t, res[0].Err)
		require.Equal(t, tokenize.Created, res[0].Details.Outcome)
		require.Nil(t, res[1].Err)
		require.Equal(t, tokenize.Replayed, res[1].Details.Outcome)
		require.Equal(t, res[0].Details.Token, res[1].Details.Token)
		require.NotEqual(t, res[0].Details.Token, res[2].Details.Token)
		require.ErrorIs(t, res[3].Err, tokenize.ErrReusedKey)
		require.NotNil(t, res[4].Err)
		require.Nil(t, res[5].Err)
		require.Len(t, w.all(r), 3)

		// The same batch again: what had a key is not made again.
		res = w.batch(r, keyed(req(t, visa), "k1"), keyed(req(t, visa), "k1"), keyed(req(t, amex), "k1"))
		require.Equal(t, tokenize.Replayed, res[0].Details.Outcome)
		require.Equal(t, tokenize.Replayed, res[1].Details.Outcome)
		require.ErrorIs(t, res[2].Err, tokenize.ErrReusedKey)
		require.Len(t, w.all(r), 3)

		// One of two is refused by the store: the other is not lost with it.
		res = w.batch(r, req(t, master), keyed(req(t, visa), "k1"))
		require.Equal(t, tokenize.Created, res[0].Details.Outcome)
		require.Equal(t, tokenize.Replayed, res[1].Details.Outcome)
		w.holds(r, res[0].Details.Token, master)
		require.Len(t, w.all(r), 4)

		// A card that comes twice where it can have one token only.
		u := w.repo(tokenize.Preserve64, tokenize.UniqueCard)
		q := req(t, visa)
		q.Card.Holder = "LATER"
		res = w.batch(u, req(t, visa), req(t, visa), q)
		require.Equal(t, tokenize.Created, res[0].Details.Outcome)
		require.Equal(t, tokenize.Existing, res[1].Details.Outcome)
		require.Equal(t, tokenize.Updated, res[2].Details.Outcome)
		require.Equal(t, res[0].Details.Token, res[1].Details.Token)
		require.Equal(t, res[0].Details.Token, res[2].Details.Token)
		require.Equal(t, []uint64{1, 1, 2}, []uint64{res[0].Details.Version, res[1].Details.Version, res[2].Details.Version})
		require.Equal(t, "LATER", w.reveal(u, res[0].Details.Token).Holder)

		// A merchant's token that comes twice.
		mp := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard)
		create := with(t, "A", amex)
		create.CreateOnly = true
		res = w.batch(mp, with(t, "A", visa), with(t, "A", master), with(t, "B", master), with(t, "B", visa), create)
		require.Equal(t, tokenize.Created, res[0].Details.Outcome)
		require.Equal(t, tokenize.Updated, res[1].Details.Outcome)
		require.ErrorIs(t, res[2].Err, tokenize.ErrCardHasToken, "A has it by now")
		require.Nil(t, res[3].Err, "A gave it up")
		require.ErrorIs(t, res[4].Err, tokenize.ErrTokenExists)
		w.holds(mp, "A", master)
		w.holds(mp, "B", visa)
	})
}

// A token that one request of a batch gives another card keeps it, though a later
// request saves the card it had.
func TestMovedCardInABatch(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		res := w.batch(r, with(t, d.Token, master), req(t, visa), req(t, master))
		require.Equal(t, tokenize.Updated, res[0].Details.Outcome)
		require.Equal(t, tokenize.Created, res[1].Details.Outcome)
		require.Equal(t, d.Token, res[2].Details.Token)
		w.holds(r, d.Token, master)
		w.holds(r, res[1].Details.Token, visa)
	})
}
