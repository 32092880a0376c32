package card

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDetailsValidate(t *testing.T) {
	code := func(s string) CVC {
		c, err := ParseCVC(s)
		require.NoError(t, err)
		return c
	}
	visa, amex, uatp := mustPAN(t, "4111111111111111"), mustPAN(t, "378282246310005"), mustPAN(t, "135492354874528")
	for _, d := range []Details{
		{},
		{Number: visa},
		{Number: visa, Code: code("123"), Expiry: Expiry{12, 2030}, Holder: "Zoë Ångström", Currency: "EUR"},
		{Number: amex, Code: code("1234")},
		{Code: code("1234")},
		{Holder: strings.Repeat("é", MaxHolder)},
	} {
		require.NoError(t, d.Validate())
	}
	for _, c := range []struct {
		d      Details
		field  string
		kind   Kind
		reason string
	}{
		{Details{Expiry: Expiry{13, 2030}}, FieldExpiry, Invalid, ReasonExpiryMonth},
		{Details{Expiry: Expiry{1, 30}}, FieldExpiry, Invalid, ReasonExpiryYear},
		{Details{Number: visa, Code: code("1234")}, FieldCode, Invalid, ReasonCodeBrand},
		{Details{Number: amex, Code: code("123")}, FieldCode, Invalid, ReasonCodeBrand},
		{Details{Number: uatp, Code: code("123")}, FieldCode, Unsupported, ReasonCodeBrand},
		{Details{Holder: strings.Repeat("é", MaxHolder+1)}, FieldHolder, Invalid, ReasonHolder},
		{Details{Holder: "A\nB"}, FieldHolder, Invalid, ReasonHolder},
		{Details{Holder: "A\xffB"}, FieldHolder, Invalid, ReasonHolder},
		{Details{Currency: "eur"}, FieldCurrency, Invalid, ReasonCurrency},
		{Details{Currency: "EURO"}, FieldCurrency, Invalid, ReasonCurrency},
		{Details{Currency: "E1R"}, FieldCurrency, Invalid, ReasonCurrency},
	} {
		requireError(t, c.d.Validate(), c.field, c.kind, c.reason)
	}
}

func TestCheckEmail(t *testing.T) {
	for _, ok := range []string{"", "a@b", "a.b+c@example.com", "zoë@exämple.com", `"a@b"@c`, strings.Repeat("x", MaxEmail-2) + "@y"} {
		require.NoError(t, CheckEmail(ok))
		require.NoError(t, Details{Email: ok}.Validate())
	}
	for _, bad := range []string{
		"@", "a@", "@b", "ab", "abc", "a b@c", "a@b\n", "a@\x00", "a\u00a0@b", "a@\xff", strings.Repeat("x", MaxEmail-1) + "@y",
		strings.Repeat("x", 1<<16),
	} {
		for _, err := range []error{CheckEmail(bad), Details{Email: bad}.Validate()} {
			require.Equal(t, &Error{FieldEmail, Invalid, ReasonEmail}, err)
		}
	}
}
