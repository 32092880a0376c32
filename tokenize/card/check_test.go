package card

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheck(t *testing.T) {
	for number, reason := range map[string]string{
		"4111111111111111": "",
		"4111111111111112": ReasonLuhn,
		"9999999999999995": ReasonRange,
		"0000000000000000": ReasonRange,
		// Fifteen digits are no Visa, and sixteen no American Express; both pass Luhn.
		"411111111111116":  ReasonBrandLength,
		"3782822463100005": ReasonBrandLength,
		"356600202036050":  ReasonBrandLength,
	} {
		err := mustPAN(t, number).Check(nil)
		if reason == "" {
			require.NoError(t, err)
			continue
		}
		requireError(t, err, FieldNumber, Invalid, reason)
		require.Equal(t, err, mustPAN(t, number).Check(BuiltinTable{}))
	}
}

// issuers is an embedding service's own table.
type issuers map[string]BINDetails

func (m issuers) LookUp(prefix Prefix) (BINDetails, bool) {
	d, ok := m[string(prefix[:6])]
	return d, ok
}

func TestOwnBINTable(t *testing.T) {
	own := issuers{
		"411111": {Issuer: "A Bank", Country: "DEU", Funding: FundingDebit, LocalBrand: LocalGirocardVisa, Currency: "EUR", Variant: "Gold"},
		"999999": {Brand: BrandLocalOnly, Network: "store", Lengths: LengthsOf(16), Luhn: LuhnOptional},
		"999998": {Brand: BrandMaestro},
		"424242": {Scheme: SchemeOther},
	}
	visa := mustPAN(t, "4111111111111111")
	d, ok := visa.BINDetails(own)
	require.True(t, ok)
	require.Equal(t, BINDetails{
		Network: "visa", Brand: BrandVisa, Scheme: SchemeVisa, LocalBrand: LocalGirocardVisa, Issuer: "A Bank",
		Country: "DEU", Funding: FundingDebit, Variant: "Gold", Currency: "EUR",
		Lengths: LengthsOf(13, 16, 18, 19), CVCLengths: LengthsOf(3), Luhn: LuhnRequired,
	}, d)
	require.NoError(t, visa.Check(own))
	requireError(t, mustPAN(t, "4111111111111112").Check(own), FieldNumber, Invalid, ReasonLuhn)

	store := mustPAN(t, "9999999999999990")
	require.NoError(t, store.Check(own), "a range and a rule of its own")
	requireError(t, mustPAN(t, "999999999999999").Check(own), FieldNumber, Invalid, ReasonBrandLength)
	d, _ = store.BINDetails(own)
	require.Equal(t, SchemeOther, d.Scheme)
	require.Equal(t, CountryUnknown, d.Country)
	require.Equal(t, FundingUnknown, d.Funding)
	require.Equal(t, LengthsOf(3), d.CVCLengths)

	// A range without rules in either table: any length, and Luhn.
	free := []byte("999998000000000")
	c, err := CheckDigit(free)
	require.NoError(t, err)
	require.NoError(t, mustPAN(t, string(append(free, c))).Check(own))
	requireError(t, mustPAN(t, "9999980000000000").Check(own), FieldNumber, Invalid, ReasonLuhn)
	d, _ = mustPAN(t, "9999980000000000").BINDetails(own)
	require.Equal(t, SchemeMastercard, d.Scheme)

	d, _ = mustPAN(t, "4242424242424242").BINDetails(own)
	require.Equal(t, [2]any{BrandVisa, SchemeOther}, [2]any{d.Brand, d.Scheme})

	// The table's word on what is known is final, unless another one stands behind it.
	jcb := mustPAN(t, "3566002020360505")
	requireError(t, jcb.Check(own), FieldNumber, Invalid, ReasonRange)
	d, ok = jcb.BINDetails(own)
	require.False(t, ok)
	require.Equal(t, BINDetails{Brand: BrandUnknown, Scheme: SchemeOther, Country: CountryUnknown, Funding: FundingUnknown}, d)
	both := FirstOf(own, BuiltinTable{})
	require.NoError(t, jcb.Check(both))
	d, ok = visa.BINDetails(both)
	require.True(t, ok)
	require.Equal(t, "A Bank", d.Issuer)
	_, ok = FirstOf().LookUp(jcb.Prefix())
	require.False(t, ok)
}

func TestBuiltinTable(t *testing.T) {
	d, ok := BuiltinTable{}.LookUp(Prefix([]byte("37828224")))
	require.True(t, ok)
	require.Equal(t, BINDetails{
		Network: "amex", Brand: BrandAmex, Scheme: SchemeAmex, Country: "ZZZ", Funding: FundingUnknown,
		Lengths: LengthsOf(15), CVCLengths: LengthsOf(4), Luhn: LuhnRequired,
	}, d)
	for _, s := range []string{"00000000", "99999999", "4111111x"} {
		_, ok = BuiltinTable{}.LookUp(Prefix([]byte(s)))
		require.False(t, ok, s)
	}
	_, ok = BuiltinTable{}.LookUp(Prefix{})
	require.False(t, ok)
}

func TestLooksLikePAN(t *testing.T) {
	for _, c := range testCards(t) {
		require.True(t, LooksLikePAN([]byte(c.number)), c.number)
	}
	// A length its brand doesn't use is no reason to let a number pass.
	require.True(t, LooksLikePAN([]byte("411111111111116")))
	for _, s := range []string{
		"", "41111111111", strings.Repeat("4", 20), "4111111111111112", "9999999999999995",
		"411111111111111a", "4111 1111 1111 1111",
	} {
		require.False(t, LooksLikePAN([]byte(s)), s)
	}
}
