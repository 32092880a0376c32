package generate

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/cardseal/cardseal/crypto/ff1"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Numbers that [FF1] takes. What is encrypted must have 10^6 values at least
// (SP 800-38G rev. 1): six digits, so that 15-digit numbers keep one digit less.
const (
	minVaultless = 15
	maxVaultless = maxPreserved
)

// vaultlessLabel begins every tweak. It is part of the format.
const vaultlessLabel = "cardseal ff1"

// Vaultless makes the tokens of the strategy [FF1], and gives the numbers behind
// them back, with a key and no store. A token has as many digits as its number, the
// same first six and last four (of 15 digits: first five and last four) and fails
// Luhn. The same number always has the same token, under the same key, environment
// and scope.
//
// It has no authenticity: nine in ten digit strings fail Luhn, and one in nine of
// those has a number behind it, whoever made it up. Under another key or in another
// place the number is another one, and nothing tells.
//
// It is safe for concurrent use and allocates nothing once warm. The zero value is
// not usable.
type Vaultless struct {
	splits [maxVaultless - minVaultless + 1]split // by length
}

// split is how numbers of one length are cut.
type split struct {
	first  int // digits kept in front
	length int // of the whole
	middle *ff1.Digits
}

// firstKept is how many leading digits a token of a length has of its number.
func firstKept(length int) int {
	if length < kept+6 {
		return keptFirst - 1
	}
	return keptFirst
}

// NewVaultless sets up a key of 32 bytes for an environment and a scope. It keeps
// the key schedule, which cannot be wiped, and not the slice.
//
// A tweak is label, environment, scope, split ("6.4" or "5.4") and the digits kept,
// each behind its length in 16 bits.
func NewVaultless(key []byte, environment, scope string) (*Vaultless, error) {
	if len(key) != 32 {
		return nil, errVaultlessKey
	}
	k, err := ff1.NewKey(key)
	if err != nil {
		return nil, err
	}
	f := new(Vaultless)
	for i := range f.splits {
		s := &f.splits[i]
		s.length = minVaultless + i
		s.first = firstKept(s.length)
		var prefix []byte
		for _, part := range []string{vaultlessLabel, environment, scope, fmt.Sprintf("%d.%d", s.first, keptLast)} {
			if len(part) > 0xffff {
				return nil, errVaultlessPlace
			}
			prefix = append(binary.BigEndian.AppendUint16(prefix, uint16(len(part))), part...)
		}
		prefix = binary.BigEndian.AppendUint16(prefix, uint16(s.kept()))
		s.middle, err = k.Digits(s.length-s.kept(), &ff1.DigitsOptions{TweakPrefix: prefix, TweakSize: s.kept()})
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Format prints the type's name alone, whatever the verb.
func (f *Vaultless) Format(s fmt.State, _ rune) { io.WriteString(s, "generate.Vaultless") }

func (s *split) kept() int { return s.first + keptLast }

// appendKept appends the digits that stay as they are.
func (s *split) appendKept(dst, digits []byte) []byte {
	dst = append(dst, digits[:s.first]...)
	return append(dst, digits[s.length-keptLast:]...)
}

// CheckVaultless reports whether a number (ASCII digits) can have a token of the
// strategy [FF1]: 15 to 19 digits that pass Luhn. Errors are [*Error] for the field
// "number": [ErrMalformed], [ErrSmallDomain], [ErrFailsLuhn].
func CheckVaultless(digits []byte) error {
	switch {
	case len(digits) > maxVaultless, !isDigits(digits):
		return &Error{FieldNumber, ErrMalformed}
	case len(digits) < minVaultless:
		return &Error{FieldNumber, ErrSmallDomain}
	case !card.Luhn(digits):
		return &Error{FieldNumber, ErrFailsLuhn}
	}
	return nil
}

// AppendToken appends the token of a card number. On error, that of
// [CheckVaultless], it returns nil. Slices may overlap.
//
// The digit before the last four, which Luhn never doubles, is raised by one modulo
// ten: that takes the numbers that pass Luhn into those that fail it. FF1 is then
// applied until the whole fails Luhn again (cycle walking), once in most cases, which
// permutes the numbers that fail.
func (f *Vaultless) AppendToken(dst, number []byte) ([]byte, error) {
	if err := CheckVaultless(number); err != nil {
		return nil, err
	}
	s := &f.splits[len(number)-minVaultless]
	var buf [maxVaultless]byte
	whole := append(buf[:0], number...)
	turn(whole, 1)
	if err := s.walk(whole, false); err != nil {
		return nil, err
	}
	return append(dst, whole...), nil
}

// AppendNumber appends the card number behind a token. Errors are [*Error] for the
// field "token": [ErrMalformed] for what no token looks like, [ErrNoNumber] for what
// has no number behind it; it then returns nil. Slices may overlap.
func (f *Vaultless) AppendNumber(dst, token []byte) ([]byte, error) {
	if len(token) < minVaultless || len(token) > maxVaultless || !isDigits(token) || card.Luhn(token) {
		return nil, &Error{FieldToken, ErrMalformed}
	}
	s := &f.splits[len(token)-minVaultless]
	var buf [maxVaultless]byte
	defer clear(buf[:])
	whole := append(buf[:0], token...)
	if err := s.walk(whole, true); err != nil {
		return nil, err
	}
	turn(whole, 9)
	if !card.Luhn(whole) {
		return nil, &Error{FieldToken, ErrNoNumber}
	}
	return append(dst, whole...), nil
}

// turn adds n to the digit before the last four, modulo ten.
func turn(whole []byte, n byte) {
	c := &whole[len(whole)-keptLast-1]
	*c = '0' + (*c-'0'+n)%10
}

// walk encrypts the middle of a number that fails Luhn until the whole fails again,
// or decrypts it. It ends: at the latest where it began.
func (s *split) walk(whole []byte, back bool) error {
	var buf [kept]byte
	tweak := s.appendKept(buf[:0], whole)
	middle := whole[s.first : s.length-keptLast]
	for {
		var err error
		if back {
			_, err = s.middle.Decrypt(middle[:0], middle, tweak)
		} else {
			_, err = s.middle.Encrypt(middle[:0], middle, tweak)
		}
		if err != nil || !card.Luhn(whole) {
			return err
		}
	}
}
