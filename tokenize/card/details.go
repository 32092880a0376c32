package card

import (
	"unicode"
	"unicode/utf8"
)

// MaxHolder is the longest holder's name, in characters.
const MaxHolder = 30

// Details is a card as a request gives it. Only the fields a request has are set: the
// zero value of each means it is absent. Its printed and JSON forms show the masked
// number and the expiry alone.
type Details struct {
	Number   PAN
	Expiry   Expiry
	Code     CVC
	Holder   string // at most MaxHolder characters of UTF-8, no control characters
	Currency string // ISO 4217, three capital letters, for acquirer verification
}

// Validate checks the form of the fields that are set, and the security code against
// the brand of the number where both are there. It returns the first fault as an
// *Error. It does not ask whether the number is well formed for its brand: see
// PAN.Check.
func (d Details) Validate() error {
	if !d.Expiry.IsZero() {
		if err := d.Expiry.check(); err != nil {
			return err
		}
	}
	if !d.Code.IsZero() && !d.Number.IsZero() {
		if err := d.Code.CheckFor(d.Number.Brand()); err != nil {
			return err
		}
	}
	if err := CheckHolder(d.Holder); err != nil {
		return err
	}
	if d.Currency != "" && !isCurrency(d.Currency) {
		return invalid(FieldCurrency, ReasonCurrency)
	}
	return nil
}

// CheckHolder checks a holder's name: valid UTF-8, at most MaxHolder characters, none
// of them a control character; empty passes. The error is an *Error for the field
// "holder".
func CheckHolder(name string) error {
	if !utf8.ValidString(name) || utf8.RuneCountInString(name) > MaxHolder {
		return invalid(FieldHolder, ReasonHolder)
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return invalid(FieldHolder, ReasonHolder)
		}
	}
	return nil
}

func isCurrency(s string) bool {
	if len(s) != 3 {
		return false
	}
	for i := range len(s) {
		if s[i] < 'A' || s[i] > 'Z' {
			return false
		}
	}
	return true
}
