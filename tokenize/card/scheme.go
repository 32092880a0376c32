package card

// Scheme is the network that clears a card's payments, in the words of a payment
// gateway: Maestro's is SchemeMastercard, a local or unknown card's SchemeOther. The
// zero Scheme is not valid.
type Scheme uint8

// The schemes.
const (
	SchemeAmex Scheme = iota + 1
	SchemeChinaUnionPay
	SchemeDinersClub
	SchemeDiscover
	SchemeJCB
	SchemeMastercard
	SchemeRuPay
	SchemeUATP
	SchemeVisa
	SchemeOther
)

var schemeNames = [...]string{"",
	"AMEX",
	"CHINA_UNIONPAY",
	"DINERS_CLUB",
	"DISCOVER",
	"JCB",
	"MASTERCARD",
	"RUPAY",
	"UATP",
	"VISA",
	"OTHER",
}

// String returns the name a gateway uses, such as MASTERCARD.
func (s Scheme) String() string { return enumName("Scheme", schemeNames[:], uint8(s)) }

// MarshalText returns String; the zero Scheme is an error.
func (s Scheme) MarshalText() ([]byte, error) { return enumText(FieldScheme, schemeNames[:], uint8(s)) }

// UnmarshalText reads what MarshalText wrote.
func (s *Scheme) UnmarshalText(t []byte) error {
	v, err := enumParse(FieldScheme, schemeNames[:], string(t))
	if err == nil {
		*s = Scheme(v)
	}
	return err
}

// Scheme returns the scheme that clears payments of b; 0 for the zero Brand.
func (b Brand) Scheme() Scheme {
	if int(b) >= len(brandScheme) {
		return 0
	}
	return brandScheme[b]
}

var brandScheme = [...]Scheme{
	BrandAmex:          SchemeAmex,
	BrandChinaUnionPay: SchemeChinaUnionPay,
	BrandDinersClub:    SchemeDinersClub,
	BrandDiscover:      SchemeDiscover,
	BrandJCB:           SchemeJCB,
	BrandMaestro:       SchemeMastercard,
	BrandMastercard:    SchemeMastercard,
	BrandRuPay:         SchemeRuPay,
	BrandUATP:          SchemeUATP,
	BrandVisa:          SchemeVisa,
	BrandLocalOnly:     SchemeOther,
	BrandUnknown:       SchemeOther,
}
