package tokenize_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

const (
	nowhere = "9999990000000006" // passes Luhn, in no built-in range
	elo     = "6362970000457013"
	mir     = "2201382000000013"
)

// A brand that a caller names: what it comes to, or that it is refused. A save
// that names nothing and a change without number come to the same.
func TestNamedBrand(t *testing.T) {
	const refused = card.Brand(0)
	none := card.LocalBrand(0)
	for _, c := range []struct {
		digits, name string
		brand        card.Brand
		local        card.LocalBrand
	}{
		{visa, "", card.BrandVisa, none},
		{visa, "VISA", card.BrandVisa, none},
		{visa, "visa electron", card.BrandVisa, none},
		{visa, "UNKNOWN", card.BrandVisa, none},
		{visa, "CB", card.BrandVisa, card.LocalCarteBancaire},
		{visa, "PLCC", card.BrandVisa, card.LocalOther},
		{visa, "MASTERCARD", refused, none},
		{visa, "LOCAL_BRAND_ONLY", refused, none},
		{diners, "DINERS", card.BrandDinersClub, none},
		{diners, "UPI", refused, none},
		{maestro, "MASTERCARD", card.BrandMastercard, none}, // one scheme, shared ranges
		{master, "MAESTRO", card.BrandMaestro, none},
		{master, "VISA", refused, none},
		{visa13, "VISA", card.BrandVisa, none}, // a row has five digits of it
		{visa13, "CB", card.BrandVisa, card.LocalCarteBancaire},
		{visa13, "MASTERCARD", refused, none},
		{elo, "", card.BrandLocalOnly, card.LocalElo},
		{elo, "ELO", card.BrandLocalOnly, card.LocalElo},
		{elo, "LOCAL", card.BrandLocalOnly, card.LocalElo},
		{elo, "LOCAL_BRAND_ONLY", card.BrandLocalOnly, card.LocalElo},
		{elo, "CB", refused, none},
		{elo, "VISA", refused, none},
		{mir, "MIR", card.BrandLocalOnly, card.LocalOther},
		{nowhere, "", card.BrandUnknown, none},
		{nowhere, "UPI", card.BrandChinaUnionPay, none},
		{nowhere, "CB", card.BrandLocalOnly, card.LocalCarteBancaire},
		{nowhere, "LOCAL_BRAND_ONLY", card.BrandLocalOnly, none},
		{visa, "NO SUCH", refused, none},
		{visa, strings.Repeat("V", 33), refused, none},
		{visa, canary, refused, none},
	} {
		t.Run(c.digits[:6]+" "+c.name[:min(len(c.name), 16)], func(t *testing.T) {
			w := inMemory(t)
			r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyNone)
			q := req(t, c.digits)
			q.Brand = c.name
			d, err := r.Save(t.Context(), q)
			plain := w.save(r, req(t, c.digits))
			change := tokenize.UpdateRequest{Caller: me, Token: plain.Token, Brand: c.name}
			changed, changeErr := r.Update(t.Context(), change)
			if c.brand == refused {
				fails(t, err, tokenize.InvalidRequest, card.FieldBrand, nil)
				fails(t, changeErr, tokenize.InvalidRequest, card.FieldBrand, nil)
				return
			}
			require.NoError(t, err)
			require.NoError(t, changeErr)
			for _, d := range []tokenize.Details{d, plain, changed} {
				require.Equal(t, c.brand, d.Brand)
				require.Equal(t, c.brand.Scheme(), d.Scheme)
				require.Equal(t, c.local, d.LocalBrand)
			}
			require.Equal(t, d.Version, changed.Version, "nothing changed")
			bin, err := r.BINDetails(t.Context(), me, d.Token)
			require.NoError(t, err)
			require.Equal(t, []any{c.brand, c.local}, []any{bin.Brand, bin.LocalBrand})
		})
	}
}

// A brand named later is written down, the rest of what was named stays, and a new
// number brings its own.
func TestBrandNamedLater(t *testing.T) {
	stores(t, func(t *testing.T, w *world) {
		r := w.repo(tokenize.UUID, tokenize.UniqueCard)
		d := w.save(r, req(t, visa))
		name := func(brand, digits string) tokenize.Details {
			q := tokenize.SaveRequest{Caller: me, Token: d.Token, Brand: brand}
			if digits != "" {
				q.Card.Number = number(t, digits)
			}
			return w.save(r, q)
		}
		got := name("CB", "")
		require.Equal(t, tokenize.Updated, got.Outcome)
		require.Equal(t, card.LocalCarteBancaire, got.LocalBrand)
		require.Equal(t, card.LocalCarteBancaire, name("VISA", "").LocalBrand)
		require.Equal(t, card.LocalEftpos, name("EFTPOS_AU", visa).LocalBrand)
		got = name("", master)
		require.Equal(t, []any{card.BrandMastercard, card.LocalBrand(0)}, []any{got.Brand, got.LocalBrand})
		got = name("CB", visa2)
		require.Equal(t, []any{card.BrandVisa, card.LocalCarteBancaire}, []any{got.Brand, got.LocalBrand})

		// Under an idempotency key the brand is part of the request.
		q := keyed(req(t, amex), "k1")
		w.save(r, q)
		q.Brand = "AMEX"
		_, err := r.Save(t.Context(), q)
		fails(t, err, tokenize.RequestRejected, "idempotencyKey", tokenize.ErrReusedKey)
	})
}

// issuers is a service's table: a bank for each of some prefixes, the longest wins.
type issuers map[string]card.BINDetails

func (m issuers) LookUp(p card.Prefix) (card.BINDetails, bool) {
	for n := len(p); n > 0; n-- {
		if d, ok := m[string(p[:n])]; ok {
			return d, true
		}
	}
	return card.BINDetails{}, false
}

func TestBINDetails(t *testing.T) {
	bank := func(name string) card.BINDetails {
		return card.BINDetails{Issuer: name, Country: "NLD", Funding: card.FundingDebit, Variant: "GOLD", Currency: "EUR", LocalBrand: card.LocalEBT}
	}
	table := issuers{"41111111": bank("ONE"), "378282": bank("TWO"), "360066": bank("THREE"),
		"36006657": {Issuer: "FOUR", Country: "NLD", Currency: "EUR"}, "49118": bank("FIVE")}
	o := &tokenize.Options{BINTable: card.FirstOf(table, card.BuiltinTable{})}
	w := newWorld(t, memory.New(), o)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard, verifyNone)
	v, err := tokenize.Open(t.Context(), w.cards, w.manager(), o)
	require.NoError(t, err)
	cold, err := v.Repository(t.Context(), r.Config().ID)
	require.NoError(t, err)
	unwraps := w.kek.Unwraps()
	for _, c := range []struct{ digits, want string }{
		{visa, "visa VISA VISA ONE NLD DEBIT GOLD EUR EBT"},
		{amex, "amex AMEX AMEX TWO NLD DEBIT GOLD EUR EBT"},
		// A row has six digits of it, and its range is two banks'.
		{diners, "diners DINERS_CLUB DINERS_CLUB  NLD DEBIT  EUR EBT"},
		{visa13, "visa VISA VISA  ZZZ DEBIT   EBT"},
		{master, "mastercard MASTERCARD MASTERCARD  ZZZ UNKNOWN   "},
		{nowhere, " UNKNOWN OTHER  ZZZ UNKNOWN   "},
	} {
		saved := w.save(r, req(t, c.digits))
		other := tokenize.Caller{Permissions: tokenize.MayRead}
		d, err := cold.BINDetails(t.Context(), other, saved.Token)
		require.NoError(t, err)
		require.Equal(t, c.want, fmt.Sprintf("%s %s %s %s %s %s %s %s %s", d.Network, d.Brand, d.Scheme,
			d.Issuer, d.Country, d.Funding, d.Variant, d.Currency, d.LocalBrand))
		require.Equal(t, saved.LocalBrand, d.LocalBrand)
		require.Equal(t, saved.Funding, d.Funding)
	}
	require.Equal(t, unwraps, w.kek.Unwraps(), "no KMS call")
	d := w.save(r, req(t, visa))
	_, err = r.BINDetails(t.Context(), tokenize.Caller{Permissions: tokenize.MaySave}, d.Token)
	fails(t, err, tokenize.RequestRejected, "caller", tokenize.ErrPermission)
	_, err = r.BINDetails(t.Context(), me, unknownToken(tokenize.UUID))
	fails(t, err, tokenize.InvalidRequest, "token", tokenize.ErrTokenNotFound)
	require.NoError(t, r.Delete(t.Context(), me, d.Token))
	_, err = r.BINDetails(t.Context(), me, d.Token)
	fails(t, err, tokenize.RequestRejected, "token", tokenize.ErrTokenDeleted)
}

func TestExternalTypes(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.UUID, tokenize.UniqueCard)
	for _, name := range []string{"INTERNAL", "CHASE", "TAVE"} {
		q := req(t, visa)
		require.NoError(t, q.External.UnmarshalText([]byte(name)))
		require.Equal(t, name, q.External.String())
		_, err := r.Save(t.Context(), q)
		if name == "INTERNAL" {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, tokenize.Unsupported, fails(t, err, tokenize.InvalidRequest, "externalType", nil).Kind)
	}
	var e tokenize.ExternalType
	fails(t, e.UnmarshalText([]byte("OTHER")), tokenize.InvalidRequest, "externalType", nil)
	require.Len(t, w.dump(r), 1)
}
