package card

// Brand is the brand a card is known by, in the words of a payment gateway. The zero
// Brand is not valid; a number in no known range has BrandUnknown.
type Brand uint8

// The brands. BrandLocalOnly stands for cards that carry a local brand and no other.
const (
	BrandAmex Brand = iota + 1
	BrandChinaUnionPay
	BrandDinersClub
	BrandDiscover
	BrandJCB
	BrandMaestro
	BrandMastercard
	BrandRuPay
	BrandUATP
	BrandVisa
	BrandLocalOnly
	BrandUnknown
)

var brandNames = [...]string{"",
	"AMEX",
	"CHINA_UNIONPAY",
	"DINERS_CLUB",
	"DISCOVER",
	"JCB",
	"MAESTRO",
	"MASTERCARD",
	"RUPAY",
	"UATP",
	"VISA",
	"LOCAL_BRAND_ONLY",
	"UNKNOWN",
}

// String returns the name a gateway uses, such as CHINA_UNIONPAY.
func (b Brand) String() string { return enumName("Brand", brandNames[:], uint8(b)) }

// MarshalText returns String; the zero Brand is an error.
func (b Brand) MarshalText() ([]byte, error) { return enumText(FieldBrand, brandNames[:], uint8(b)) }

// UnmarshalText reads what MarshalText wrote, no aliases: see ResolveBrand.
func (b *Brand) UnmarshalText(t []byte) error {
	v, err := enumParse(FieldBrand, brandNames[:], string(t))
	if err == nil {
		*b = Brand(v)
	}
	return err
}

// CVCLengths returns the lengths of the security codes that cards of b carry: four
// digits on American Express, none on UATP, three elsewhere, and either where the brand
// is unknown. It is the empty set for the zero Brand.
func (b Brand) CVCLengths() Lengths {
	switch {
	case b == 0 || b > BrandUnknown || b == BrandUATP:
		return 0
	case b == BrandAmex:
		return 1 << 4
	case b == BrandUnknown:
		return 1<<3 | 1<<4
	}
	return 1 << 3
}
