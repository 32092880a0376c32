package tokenize_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

var generations = []tokenize.Generation{
	tokenize.RandomWithLuhn, tokenize.Preserve64, tokenize.MerchantProvided, tokenize.UUID,
}

var managements = []tokenize.Management{tokenize.UniqueCard, tokenize.UniqueToken}

// Every strategy with every management: the shape of its tokens, what is told of
// the card, and that the card comes back.
func TestTokensOfEveryStrategy(t *testing.T) {
	shapes := map[tokenize.Generation]func(t *testing.T, token, digits string){
		tokenize.RandomWithLuhn: func(t *testing.T, token, _ string) {
			require.Regexp(t, `^9\d{15}$`, token)
			require.True(t, card.Luhn([]byte(token)))
			require.False(t, card.NetworkOf([]byte(token)).Known(), "a token in a brand's range")
			require.True(t, generate.IsRandomWithLuhn(token), "no country's range either")
		},
		tokenize.Preserve64: func(t *testing.T, token, digits string) {
			require.Len(t, token, len(digits))
			require.Equal(t, digits[:6], token[:6])
			require.Equal(t, digits[len(digits)-4:], token[len(token)-4:])
			require.False(t, card.Luhn([]byte(token)))
			require.False(t, token == digits, "the token is the number")
		},
		tokenize.MerchantProvided: func(t *testing.T, token, digits string) {
			require.Equal(t, "card"+digits[:6], token)
		},
		tokenize.UUID: func(t *testing.T, token, _ string) {
			require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, token)
		},
	}
	stores(t, func(t *testing.T, w *world) {
		for _, g := range generations {
			for _, m := range managements {
				t.Run(g.String()+" "+m.String(), func(t *testing.T) {
					w := w.in(t)
					r := w.repo(g, m)
					for _, digits := range []string{visa, amex, diners, maestro} {
						q := req(t, digits)
						if g == tokenize.MerchantProvided {
							q.Token = "card" + digits[:6]
						}
						q.Card.Expiry, q.Card.Holder = card.Expiry{Month: 12, Year: 2031}, "A HOLDER"
						q.CorrelationID = "c-1"
						d := w.save(r, q)
						shapes[g](t, d.Token, digits)
						checkDetails(t, r, d, digits)
						require.Equal(t, tokenize.Created, d.Outcome)
						require.Equal(t, "c-1", d.CorrelationID)

						got, err := r.Get(t.Context(), me, d.Token)
						require.NoError(t, err)
						d.Outcome, d.CorrelationID = 0, ""
						require.Equal(t, d, got)
						full := w.reveal(r, d.Token)
						require.Equal(t, digits, string(full.Number.AppendDigits(nil)))
						require.Equal(t, card.Expiry{Month: 12, Year: 2031}, full.Expiry)
						require.Equal(t, "A HOLDER", full.Holder)
					}
				})
			}
		}
	})
}

func checkDetails(t *testing.T, r *tokenize.Repository, d tokenize.Details, digits string) {
	t.Helper()
	pan := number(t, digits)
	require.Equal(t, r.Config().ID, d.Repository)
	require.Equal(t, tokenize.Active, d.Status)
	require.True(t, d.Valid)
	require.Equal(t, tokenize.BasicSuccessful, d.Verified)
	require.Equal(t, pan.Brand(), d.Brand)
	require.Equal(t, pan.Scheme(), d.Scheme)
	require.Equal(t, card.FundingUnknown, d.Funding)
	require.Equal(t, pan.BIN(), d.BIN)
	require.Equal(t, pan.LastFour(), d.LastFour)
	require.Equal(t, pan.Masked(), d.Masked)
	require.Equal(t, card.Expiry{Month: 12, Year: 2031}, d.Expiry)
	require.Equal(t, uint64(1), d.Version)
	require.Equal(t, "clerk", d.UpdatedBy)
	require.False(t, d.Created.IsZero())
	require.Equal(t, d.Created, d.Updated)
	require.Equal(t, d.Created, d.LastUsed, "a save is a use")
}

// What the first answer says of funding and local brand, a Get says too.
func TestFundingAndLocalBrandAreKept(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard)
		d := w.save(r, req(t, "5066991111111118"))
		require.Equal(t, card.LocalElo, d.LocalBrand)
		got, err := r.Get(t.Context(), me, d.Token)
		require.NoError(t, err)
		require.Equal(t, d.LocalBrand, got.LocalBrand)
		require.Equal(t, d.Funding, got.Funding)
	})
}

// UNIQUE_CARD: the same token again, and its details updated.
func TestUniqueCard(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range []tokenize.Generation{tokenize.RandomWithLuhn, tokenize.Preserve64, tokenize.UUID} {
			r := w.repo(g, tokenize.UniqueCard)
			first := w.save(r, req(t, visa))
			again := w.save(r, req(t, visa))
			require.Equal(t, first.Token, again.Token)
			require.Equal(t, tokenize.Existing, again.Outcome)
			require.Equal(t, first.Version, again.Version, "nothing was written")

			q := req(t, visa)
			q.Card.Expiry, q.Card.Holder = card.Expiry{Month: 1, Year: 2030}, "NEW NAME"
			updated := w.save(r, q)
			require.Equal(t, first.Token, updated.Token)
			require.Equal(t, tokenize.Updated, updated.Outcome)
			require.Equal(t, first.Version+1, updated.Version)
			full := w.reveal(r, first.Token)
			require.Equal(t, "NEW NAME", full.Holder)
			require.Equal(t, q.Card.Expiry, full.Expiry)

			require.NotEqual(t, first.Token, w.save(r, req(t, visa2)).Token)
		}
	})
}

// UNIQUE_TOKEN: a new token each time.
func TestUniqueToken(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		for _, g := range []tokenize.Generation{tokenize.RandomWithLuhn, tokenize.Preserve64, tokenize.UUID} {
			r := w.repo(g, tokenize.UniqueToken)
			seen := map[string]bool{}
			for range 5 {
				d := w.save(r, req(t, visa))
				require.Equal(t, tokenize.Created, d.Outcome)
				require.False(t, seen[d.Token], "the token was given out before")
				seen[d.Token] = true
				w.holds(r, d.Token, visa)
			}
		}
	})
}

// The same card in two repositories has unrelated tokens, and a token of one is
// unknown in the other.
func TestRepositoriesAreApart(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		one := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard)
		two := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard, func(c *tokenize.Config) { c.ID = "OTHER" })
		require.NotEqual(t, one.Scope(), two.Scope())
		a, b := w.save(one, req(t, visa)), w.save(two, req(t, visa))
		require.NotEqual(t, a.Token, b.Token)
		_, err := two.Get(t.Context(), me, a.Token)
		fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
		_, err = two.Reveal(t.Context(), me, a.Token, "settlement")
		fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
	})
}

// RANDOM_WITH_LUHN never draws what a card could be.
func TestRandomTokensAreInNoRange(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueToken)
	qs := make([]tokenize.SaveRequest, 5000)
	for i := range qs {
		qs[i] = req(t, visa)
	}
	for _, res := range w.batch(r, qs...) {
		require.Nil(t, res.Err)
		require.False(t, card.NetworkOf([]byte(res.Details.Token)).Known())
		require.True(t, generate.IsRandomWithLuhn(res.Details.Token))
	}
}

// Every published card goes in and comes out, in both kinds of numeric tokens
// where the number is long enough.
func TestPublishedCards(t *testing.T) {
	w := inMemory(t)
	random := w.repo(tokenize.RandomWithLuhn, tokenize.UniqueCard)
	preserve := w.repo(tokenize.Preserve64, tokenize.UniqueCard)
	for _, digits := range publishedCards(t) {
		w.holds(random, w.save(random, req(t, digits)).Token, digits)
		if len(digits) < 14 {
			continue
		}
		w.holds(preserve, w.save(preserve, req(t, digits)).Token, digits)
	}
}
