package card

// Funding says whose money a card spends, as an issuer's table knows it. The zero
// Funding is not valid; FundingUnknown is the usual answer.
type Funding uint8

// The funding methods.
const (
	FundingCharge Funding = iota + 1
	FundingCredit
	FundingDebit
	FundingUnknown
)

var fundingNames = [...]string{"",
	"CHARGE",
	"CREDIT",
	"DEBIT",
	"UNKNOWN",
}

// String returns the name a gateway uses, such as DEBIT.
func (f Funding) String() string { return enumName("Funding", fundingNames[:], uint8(f)) }

// MarshalText returns String; the zero Funding is an error.
func (f Funding) MarshalText() ([]byte, error) {
	return enumText(FieldFunding, fundingNames[:], uint8(f))
}

// UnmarshalText reads what MarshalText wrote.
func (f *Funding) UnmarshalText(t []byte) error {
	v, err := enumParse(FieldFunding, fundingNames[:], string(t))
	if err == nil {
		*f = Funding(v)
	}
	return err
}
