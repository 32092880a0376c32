package card

import (
	"encoding"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The names, in order, as the gateway's interface lists them.
const (
	brandList  = "AMEX CHINA_UNIONPAY DINERS_CLUB DISCOVER JCB MAESTRO MASTERCARD RUPAY UATP VISA LOCAL_BRAND_ONLY UNKNOWN"
	schemeList = "AMEX CHINA_UNIONPAY DINERS_CLUB DISCOVER JCB MASTERCARD RUPAY UATP VISA OTHER"
	localList  = "BANAMEX_COSTCO BANKAXEPT BED_BATH_AND_BEYOND CARNET CARTE_BANCAIRE COSTCO_MEMBER_CREDIT EBT EFTPOS ELO " +
		"FARMERS GIROCARD_JCB GIROCARD_MAESTRO GIROCARD_VISA LASER OTHER PAGOBANCOMAT Q_CARD SORIANA TRUE_REWARDS"
	fundingList = "CHARGE CREDIT DEBIT UNKNOWN"
)

type textEnum[T any] interface {
	*T
	encoding.TextUnmarshaler
}

func testEnum[T interface {
	~uint8
	String() string
	MarshalText() ([]byte, error)
}, P textEnum[T]](t *testing.T, field, list string) {
	names := strings.Fields(list)
	for i, name := range names {
		v := T(i + 1)
		require.Equal(t, name, v.String())
		b, err := v.MarshalText()
		require.NoError(t, err)
		require.Equal(t, name, string(b))
		var back T
		require.NoError(t, P(&back).UnmarshalText(b))
		require.Equal(t, v, back)
	}
	past := T(len(names) + 1)
	require.Contains(t, past.String(), "(")
	_, err := past.MarshalText()
	requireError(t, err, field, Invalid, ReasonName)
	for _, s := range []string{strings.ToLower(names[0]), names[0] + " ", "NONSENSE"} {
		kept := T(1)
		requireError(t, P(&kept).UnmarshalText([]byte(s)), field, Invalid, ReasonName)
		require.Equal(t, T(1), kept)
	}
}

func TestEnumerations(t *testing.T) {
	t.Run("Brand", func(t *testing.T) { testEnum[Brand](t, FieldBrand, brandList) })
	t.Run("Scheme", func(t *testing.T) { testEnum[Scheme](t, FieldScheme, schemeList) })
	t.Run("LocalBrand", func(t *testing.T) { testEnum[LocalBrand](t, FieldLocalBrand, localList) })
	t.Run("Funding", func(t *testing.T) { testEnum[Funding](t, FieldFunding, fundingList) })
}

func TestZeroOfEnumerations(t *testing.T) {
	require.Equal(t, "Brand(0) Scheme(0) Funding(0)", Brand(0).String()+" "+Scheme(0).String()+" "+Funding(0).String())
	for field, v := range map[string]encoding.TextMarshaler{FieldBrand: Brand(0), FieldScheme: Scheme(0), FieldFunding: Funding(0)} {
		_, err := v.MarshalText()
		requireError(t, err, field, Invalid, ReasonName)
	}
	var b Brand
	requireError(t, b.UnmarshalText(nil), FieldBrand, Missing, ReasonEmpty)
	// A local brand may be absent.
	l := LocalElo
	require.Equal(t, "", LocalBrand(0).String())
	text, err := LocalBrand(0).MarshalText()
	require.NoError(t, err)
	require.Empty(t, text)
	require.NoError(t, l.UnmarshalText(text))
	require.Zero(t, l)
	out, err := json.Marshal(struct{ B Brand }{BrandVisa})
	require.NoError(t, err)
	require.JSONEq(t, `{"B":"VISA"}`, string(out))
}

func TestBrandScheme(t *testing.T) {
	for b := BrandAmex; b <= BrandUnknown; b++ {
		want := b.String()
		switch b {
		case BrandMaestro:
			want = "MASTERCARD"
		case BrandLocalOnly, BrandUnknown:
			want = "OTHER"
		}
		require.Equal(t, want, b.Scheme().String())
	}
	require.Zero(t, Brand(0).Scheme())
	require.Zero(t, Brand(99).Scheme())
}

func TestResolveBrand(t *testing.T) {
	for name, want := range map[string]Brand{
		"AMEX": BrandAmex, "amex": BrandAmex, "American Express": BrandAmex, "CUP": BrandChinaUnionPay, "UPI": BrandChinaUnionPay,
		"China UnionPay": BrandChinaUnionPay, "DINERS": BrandDinersClub, "Diners Club": BrandDinersClub, "diners-club": BrandDinersClub,
		"DISCOVER": BrandDiscover, "JCB": BrandJCB, "MAESTRO": BrandMaestro, "MASTERCARD": BrandMastercard, "MasterCard": BrandMastercard,
		"RuPay": BrandRuPay, "UATP": BrandUATP, "VISA": BrandVisa, "Visa Electron": BrandVisa, "V PAY": BrandVisa, "UNKNOWN": BrandUnknown,
		"LOCAL_BRAND_ONLY": BrandLocalOnly,
	} {
		b, l, err := ResolveBrand(name)
		require.NoError(t, err, name)
		require.Equal(t, want, b, name)
		require.Zero(t, l, name)
	}
	for name, want := range map[string]LocalBrand{
		"CB": LocalCarteBancaire, "cartes_bancaires": LocalCarteBancaire, "ELO": LocalElo, "PLCC": LocalOther,
		"girocard visa": LocalGirocardVisa, "BCMC": LocalOther, "eftpos": LocalEftpos, "OTHER": LocalOther,
	} {
		b, l, err := ResolveBrand(name)
		require.NoError(t, err, name)
		require.Equal(t, BrandLocalOnly, b, name)
		require.Equal(t, want, l, name)
	}
	// Every name of the enumerations, and every network's own, resolves.
	for _, name := range strings.Fields(brandList + " " + localList) {
		_, _, err := ResolveBrand(name)
		require.NoError(t, err, name)
	}
	for _, n := range allNetworks()[1:] {
		b, _, err := ResolveBrand(n.ID())
		require.NoError(t, err, n.ID())
		require.Equal(t, n.Brand(), b, n.ID())
	}
	_, _, err := ResolveBrand("")
	requireError(t, err, FieldBrand, Missing, ReasonEmpty)
	for _, s := range []string{"4111111111111111", "nonsense", strings.Repeat("A", 33), "VISA\x00"} {
		_, _, err := ResolveBrand(s)
		requireError(t, err, FieldBrand, Invalid, ReasonName)
	}
}
