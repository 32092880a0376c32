package card

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxHolder is the longest holder's name, in characters.
const MaxHolder = 30

// Lengths of a holder's e-mail address, in bytes.
const (
	MinEmail = 3
	MaxEmail = 254
)

// Details is a card as a request gives it. Only the fields a request has are set: the
// zero value of each means it is absent. Its printed and JSON forms show the masked
// number and the expiry alone.
type Details struct {
	Number   PAN
	Expiry   Expiry
	Code     CVC
	Holder   string // at most MaxHolder characters of UTF-8, no control characters
	Email    string // the holder's, MinEmail to MaxEmail bytes of UTF-8
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
	if err := CheckEmail(d.Email); err != nil {
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

// CheckEmail checks the form of a holder's e-mail address: valid UTF-8 of MinEmail to
// MaxEmail bytes with an @ between something and something, without spaces and control
// characters; empty passes. Whether mail reaches anybody is not asked. The error is an
// *Error for the field "email".
func CheckEmail(address string) error {
	if address == "" {
		return nil
	}
	at := strings.LastIndexByte(address, '@')
	if len(address) < MinEmail || len(address) > MaxEmail || !utf8.ValidString(address) || at < 1 || at == len(address)-1 {
		return invalid(FieldEmail, ReasonEmail)
	}
	for _, r := range address {
		if unicode.IsControl(r) || unicode.IsSpace(r) {
			return invalid(FieldEmail, ReasonEmail)
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
