package tokenize_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// A merchant's save creates or updates.
func TestMerchantCreatesOrUpdates(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, m := range managements {
			r := w.repo(tokenize.MerchantProvided, m)
			d := w.save(r, with(t, "Cust1", visa))
			require.Equal(t, "Cust1", d.Token)
			require.Equal(t, tokenize.Created, d.Outcome)

			d = w.save(r, with(t, "Cust1", master))
			require.Equal(t, tokenize.Updated, d.Outcome)
			require.Equal(t, uint64(2), d.Version)
			require.Equal(t, "555555xxxxxx4444", d.Masked)
			w.holds(r, "Cust1", master)

			// Tokens compare byte for byte.
			require.Equal(t, tokenize.Created, w.save(r, with(t, "cust1", visa)).Outcome)
			w.holds(r, "Cust1", master)
		}
	})
}

func TestMerchantTokensRefused(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.MerchantProvided, tokenize.UniqueToken)
	for name, c := range map[string]struct {
		token string
		kind  tokenize.FieldKind
		is    error
	}{
		"none":                      {"", tokenize.Missing, nil},
		"41 characters":             {strings.Repeat("a", 41), tokenize.Invalid, generate.ErrMalformed},
		"hyphen":                    {"cust-1", tokenize.Invalid, generate.ErrMalformed},
		"not ASCII":                 {"kundé", tokenize.Invalid, generate.ErrMalformed},
		"zero byte":                 {"cust\x00", tokenize.Invalid, generate.ErrMalformed},
		"the number":                {visa, tokenize.Invalid, generate.ErrLooksLikeCard},
		"contains the number":       {"x" + visa + "y", tokenize.Invalid, generate.ErrLooksLikeCard},
		"another card's number":     {master, tokenize.Invalid, generate.ErrLooksLikeCard},
		"13 digits":                 {visa13, tokenize.Invalid, generate.ErrLooksLikeCard},
		"19 digits":                 {maestro, tokenize.Invalid, generate.ErrLooksLikeCard},
		"fails Luhn, brand lets it": {"6200000000000006", tokenize.Invalid, generate.ErrLooksLikeCard},
	} {
		q := req(t, visa)
		q.Token, q.CorrelationID = c.token, "c-7"
		_, err := r.Save(t.Context(), q)
		e := fails(t, err, tokenize.InvalidRequest, "token", c.is)
		require.Equal(t, c.kind, e.Kind, name)
		require.Equal(t, "c-7", e.CorrelationID, name)
	}
	require.Empty(t, w.all(r), "nothing was stored")

	// What looks like a number and can be none is a token.
	for _, token := range []string{
		"4111111111111112",     // fails Luhn, and Visa demands it
		"41111111111",          // too short
		"42424242424242424242", // too long
		strings.Repeat("z", 40), "0",
	} {
		require.Equal(t, token, w.save(r, with(t, token, visa)).Token)
	}
}

// The embedding service's own ranges count too.
func TestMerchantTokensInRangesOfTheService(t *testing.T) {
	const ours = "9999990000000006" // passes Luhn, in no built-in range
	require.True(t, card.Luhn([]byte(ours)))
	w := inMemory(t)
	r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard, verifyNone)
	require.Equal(t, ours, w.save(r, with(t, ours, visa)).Token)

	w = newWorld(t, inMemory(t).db, &tokenize.Options{BINTable: range999999{}})
	r = w.repo(tokenize.MerchantProvided, tokenize.UniqueToken, verifyNone)
	_, err := r.Save(t.Context(), with(t, ours, visa))
	fails(t, err, tokenize.InvalidRequest, "token", generate.ErrLooksLikeCard)
	_, err = r.Save(t.Context(), with(t, master, visa))
	fails(t, err, tokenize.InvalidRequest, "token", generate.ErrLooksLikeCard)
}

// range999999 knows one range and nothing else.
type range999999 struct{}

func (range999999) LookUp(p card.Prefix) (card.BINDetails, bool) {
	return card.BINDetails{Brand: card.BrandLocalOnly, Luhn: card.LuhnRequired}, string(p[:6]) == "999999"
}

func TestMerchantCreateOnly(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueToken)
		q := with(t, "A", visa)
		q.CreateOnly = true
		require.Equal(t, tokenize.Created, w.save(r, q).Outcome)
		q.Card.Number = number(t, master)
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenExists)
		w.holds(r, "A", visa)

		// There is no card to create with.
		q = tokenize.SaveRequest{Caller: me, Token: "B", CreateOnly: true, Card: card.Details{Holder: "X"}}
		_, err = r.Save(t.Context(), q)
		fails(t, err, tokenize.InvalidRequest, card.FieldNumber, nil)
	})
}

func TestExpectVersion(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			r := w.repo(g, tokenize.UniqueCard)
			q := req(t, visa)
			if g == tokenize.MerchantProvided {
				q.Token, q.ExpectVersion = "A", 1
				_, err := r.Save(t.Context(), q)
				fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrConflict)
				q.ExpectVersion = 0
			}
			d := w.save(r, q)
			change := tokenize.SaveRequest{Caller: me, Token: d.Token, Card: card.Details{Holder: "ONE"}, ExpectVersion: d.Version}
			require.Equal(t, d.Version+1, w.save(r, change).Version)
			change.Card.Holder = "TWO"
			_, err := r.Save(t.Context(), change)
			fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrConflict)
			require.Equal(t, "ONE", w.reveal(r, d.Token).Holder)
		}
	})
}

// Where the repository makes the tokens there is nothing to create under a given
// one.
func TestCreateOnlyNeedsMerchantTokens(t *testing.T) {
	w := inMemory(t)
	for _, g := range []tokenize.Generation{tokenize.RandomWithLuhn, tokenize.Preserve64, tokenize.UUID} {
		r := w.repo(g, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		q := with(t, d.Token, visa)
		q.CreateOnly = true
		_, err := r.Save(t.Context(), q)
		require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "createOnly", nil).Kind)

		q = req(t, visa)
		q.CreateOnly = true
		_, err = r.Save(t.Context(), q)
		require.Equal(t, tokenize.Missing, fails(t, err, tokenize.InvalidRequest, "token", nil).Kind)
		q = req(t, visa)
		q.ExpectVersion = 1
		_, err = r.Save(t.Context(), q)
		require.Equal(t, tokenize.Missing, fails(t, err, tokenize.InvalidRequest, "token", nil).Kind)
	}
}

// A new token for a card that has one is refused, and the old one not handed out.
func TestMerchantUniqueCard(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.MerchantProvided, tokenize.UniqueCard)
		w.save(r, with(t, "OldToken", visa))
		w.sink.take()
		d, err := r.Save(t.Context(), with(t, "NewToken", visa))
		e := fails(t, err, tokenize.RequestRejected, card.FieldNumber, tokenize.ErrCardHasToken)
		require.NotContains(t, e.Error(), "OldToken")
		require.Zero(t, d)
		for _, event := range w.sink.take() {
			require.NotContains(t, event.Token+event.Unknown, "OldToken")
		}
		_, err = r.Get(t.Context(), me, "NewToken")
		fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)

		// An update that would take the card from the other token.
		w.save(r, with(t, "Third", master))
		_, err = r.Save(t.Context(), with(t, "Third", visa))
		fails(t, err, tokenize.RequestRejected, card.FieldNumber, tokenize.ErrCardHasToken)
		w.holds(r, "Third", master)
	})
}
