package card

import "strconv"

// Kind says in which way a field is at fault. The zero Kind is not valid.
type Kind uint8

const (
	// Invalid: the field is there and can't be right.
	Invalid Kind = iota + 1
	// Missing: the field is required and absent.
	Missing
	// Unsupported: the field may be right, but is not something handled here.
	Unsupported
)

var kindNames = [...]string{"", "INVALID", "MISSING", "UNSUPPORTED"}

// String returns INVALID, MISSING or UNSUPPORTED.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return "Kind(" + strconv.Itoa(int(k)) + ")"
	}
	return kindNames[k]
}

// Names of the fields that an Error of this package can carry.
const (
	FieldNumber     = "number"
	FieldCode       = "securityCode"
	FieldExpiry     = "expiry"
	FieldHolder     = "holder"
	FieldEmail      = "email"
	FieldCurrency   = "currency"
	FieldMask       = "mask"
	FieldBrand      = "brand"
	FieldScheme     = "scheme"
	FieldLocalBrand = "localBrand"
	FieldFunding    = "funding"
)

// Reasons an Error of this package can carry. They are fixed sentences: none is
// ever built from the value that was refused.
const (
	ReasonEmpty        = "is empty"
	ReasonNotDigit     = "holds something other than digits"
	ReasonSeparator    = "holds a space or hyphen, which only the lenient parser takes"
	ReasonBadSeparator = "has a space or hyphen that does not stand alone between two digits"
	ReasonTooShort     = "has fewer than 12 digits"
	ReasonTooLong      = "has more than 19 digits"
	ReasonPacked       = "is not a packed value in its canonical form"
	ReasonRange        = "is in no known range"
	ReasonBrandLength  = "has a length its brand does not use"
	ReasonLuhn         = "fails the Luhn check its brand demands"
	ReasonDigitsOnly   = "has to consist of digits, at least one"

	ReasonCodeLength = "has to be three or four digits"
	ReasonCodeBrand  = "has a length its brand does not use"

	ReasonExpiryForm  = "has to be written MMYY"
	ReasonExpiryMonth = "has a month other than 1 to 12"
	ReasonExpiryYear  = "has a year other than 2000 to 2099"

	ReasonHolder   = "has to be valid text of at most 30 characters without control characters"
	ReasonEmail    = "has to be an e-mail address of 3 to 254 bytes without spaces and control characters"
	ReasonCurrency = "has to be three capital letters"

	ReasonMaskForm = "has to be written FIRST.LAST, such as 6.4"
	ReasonMaskWide = "uncovers more than eight first and four last digits"
	ReasonMaskFill = "fills with a character other than x X * # . _ -"

	ReasonName = "is not a known name"
)

// Error is what every failing call of this package returns. It names the field and
// the rule, never the value: neither a digit of a number nor its length is in it.
type Error struct {
	Field  string // one of the Field constants
	Kind   Kind
	Reason string // one of the Reason constants
}

// Error returns one line without a trailing full stop.
func (e *Error) Error() string {
	return "card: " + e.Field + " " + e.Reason + " (" + e.Kind.String() + ")"
}

// Is reports whether target is an *Error whose non-zero fields all equal those of
// e, so that errors.Is(err, &Error{Reason: ReasonLuhn}) asks for the rule alone.
// An *Error without any field set matches nothing.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	if !ok || *t == (Error{}) {
		return false
	}
	return (t.Field == "" || t.Field == e.Field) &&
		(t.Kind == 0 || t.Kind == e.Kind) &&
		(t.Reason == "" || t.Reason == e.Reason)
}

func invalid(field, reason string) error {
	return &Error{Field: field, Kind: Invalid, Reason: reason}
}

func missing(field string) error {
	return &Error{Field: field, Kind: Missing, Reason: ReasonEmpty}
}
