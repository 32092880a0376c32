package card

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPublishedCards(t *testing.T) {
	for _, c := range testCards(t) {
		p, err := ParsePAN(c.number)
		require.NoError(t, err, c.number)
		require.Equal(t, c.network, p.Network().ID(), c.number)
		require.NoError(t, p.Check(nil), c.number)
		require.NoError(t, p.Check(BuiltinTable{}), c.number)
		require.Equal(t, c.number, string(p.AppendDigits(nil)))
		require.Equal(t, Luhn([]byte(c.number)), p.Luhn(), c.number)
		require.True(t, p.Luhn(), c.number) // every card of this list passes

		masked, n := p.Masked(), len(c.number)
		require.Len(t, masked, n)
		require.Equal(t, c.number[n-4:], masked[n-4:])
		require.NotContains(t, masked[n-8:n-4], c.number[n-5:n-4], "at least four are hidden")
	}
}

// Some UnionPay cards fail Luhn. A published number with another last digit stands for
// them; on a Visa card the same is a fault.
func TestLuhnAsTheBrandDemands(t *testing.T) {
	require.NoError(t, mustPAN(t, "6200000000000006").Check(nil))
	require.True(t, LooksLikePAN([]byte("6200000000000006")))
	requireError(t, mustPAN(t, "4242424242424241").Check(nil), FieldNumber, Invalid, ReasonLuhn)
	require.False(t, LooksLikePAN([]byte("4242424242424241")))
}

func TestBrandsOfPublishedCards(t *testing.T) {
	for number, want := range map[string]struct {
		brand  Brand
		scheme Scheme
		local  LocalBrand
	}{
		"4242424242424242":    {BrandVisa, SchemeVisa, 0},
		"5555555555554444":    {BrandMastercard, SchemeMastercard, 0},
		"378282246310005":     {BrandAmex, SchemeAmex, 0},
		"6011000990139424":    {BrandDiscover, SchemeDiscover, 0},
		"36227206271667":      {BrandDinersClub, SchemeDinersClub, 0},
		"3566002020360505":    {BrandJCB, SchemeJCB, 0},
		"6200000000000005":    {BrandChinaUnionPay, SchemeChinaUnionPay, 0},
		"6771798021000008":    {BrandMaestro, SchemeMastercard, 0},
		"135492354874528":     {BrandUATP, SchemeUATP, 0},
		"6074819900004939":    {BrandRuPay, SchemeRuPay, 0},
		"5066991111111118":    {BrandLocalOnly, SchemeOther, LocalElo},
		"5062224607440872":    {BrandLocalOnly, SchemeOther, LocalCarnet},
		"2200111753579001":    {BrandLocalOnly, SchemeOther, LocalOther},
		"5019555544445555":    {BrandLocalOnly, SchemeOther, LocalOther},
		"5061460410120223210": {BrandLocalOnly, SchemeOther, LocalOther},
	} {
		p := mustPAN(t, number)
		require.Equal(t, want.brand, p.Brand(), number)
		require.Equal(t, want.scheme, p.Scheme(), number)
		require.Equal(t, want.scheme, want.brand.Scheme(), number)
		require.Equal(t, want.local, p.LocalBrand(), number)
	}
}
