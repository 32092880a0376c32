package generate

import "github.com/cardseal/cardseal/tokenize/card"

const (
	keptFirst = 6
	keptLast  = 4
	kept      = keptFirst + keptLast

	minPreserved = 14 // fewer leave a middle of less than four digits
	maxPreserved = 19 // ISO/IEC 7812-1
)

// Space64 is the set of [Preserve64] tokens that share first six, last four and
// length: all such numbers that fail Luhn. Its tokens are numbered from 0 in
// ascending order, so that drawing is drawing a number.
//
// The digit before the last four is never doubled by Luhn, whatever the length, so
// each of its ten values changes the sum by another amount and exactly one of them
// makes the number pass. Leaving that one out of each ten middles gives the space:
// 9·10^(m-1) tokens for a middle of m digits.
//
// The zero value is an empty space. A Space64 is comparable and never changes; it
// holds what the 6.4 mask shows.
type Space64 struct {
	first  [keptFirst]byte // ASCII
	last   [keptLast]byte  // ASCII
	length uint8
	base   uint8 // Luhn sum of the ten digits kept, modulo ten
}

// NewSpace64 returns the space of the given first six digits, last four digits and
// length of the whole, 14 to 19. Errors are [*Error] for the field "number".
func NewSpace64(first6, last4 string, length int) (Space64, error) {
	var s Space64
	switch {
	case len(first6) != keptFirst, len(last4) != keptLast, length > maxPreserved,
		!isDigits(first6), !isDigits(last4):
		return s, &Error{FieldNumber, ErrMalformed}
	case length < minPreserved:
		return s, &Error{FieldNumber, ErrTooShort}
	}
	copy(s.first[:], first6)
	copy(s.last[:], last4)
	return s.finish(length), nil
}

// Space64Of returns the space that the tokens of a card number lie in. digits are
// the ASCII digits of a number that passes Luhn; it is never in the space itself.
// Errors are [*Error] for the field "number": [ErrMalformed], [ErrTooShort],
// [ErrFailsLuhn].
func Space64Of(digits []byte) (Space64, error) {
	var s Space64
	switch {
	case len(digits) > maxPreserved, !isDigits(digits):
		return s, &Error{FieldNumber, ErrMalformed}
	case len(digits) < minPreserved:
		return s, &Error{FieldNumber, ErrTooShort}
	case !card.Luhn(digits):
		return s, &Error{FieldNumber, ErrFailsLuhn}
	}
	copy(s.first[:], digits)
	copy(s.last[:], digits[len(digits)-keptLast:])
	return s.finish(len(digits)), nil
}

// finish sets the length and the sum of the kept digits.
func (s Space64) finish(length int) Space64 {
	s.length = uint8(length)
	sum := uint64(0)
	for i, c := range s.first {
		// Luhn doubles every second digit from the right, the last not.
		sum += luhnValue(c, (length-i)%2 == 0)
	}
	for i, c := range s.last {
		sum += luhnValue(c, i%2 == 0)
	}
	s.base = uint8(sum % 10)
	return s
}

// luhnValue is what an ASCII digit adds to the Luhn sum.
func luhnValue(c byte, twice bool) uint64 {
	d := uint64(c - '0')
	if twice {
		return doubled(d)
	}
	return d
}

// MiddleLen is the number of digits between the first six and the last four, 4 to
// 9, or 0 for the zero value.
func (s Space64) MiddleLen() int { return max(int(s.length)-kept, 0) }

// Len is the number of digits of a token, 14 to 19, or 0 for the zero value.
func (s Space64) Len() int { return int(s.length) }

// Size is the number of tokens in the space: 9·10^(MiddleLen-1), or 0 for the zero
// value.
func (s Space64) Size() uint64 {
	return sizes[s.length]
}

// sizes of spaces by the length of the whole.
var sizes = [maxPreserved + 1]uint64{
	14: 9_000, 15: 90_000, 16: 900_000, 17: 9_000_000, 18: 90_000_000, 19: 900_000_000,
}

// passing returns the one digit that, after the given leading digits of the
// middle, makes the whole pass Luhn.
func (s Space64) passing(leading uint64) uint64 {
	return checkDigit(uint64(s.base) + luhnDoubledLast(digits8(leading)))
}

// middle returns the middle of token k as a number.
func (s Space64) middle(k uint64) uint64 {
	if k >= s.Size() {
		panic("generate: index outside a Space64")
	}
	leading, last := k/9, k%9
	if last >= s.passing(leading) {
		last++
	}
	return leading*10 + last
}

// rank is the inverse of middle. ok is false for a middle that passes Luhn.
func (s Space64) rank(middle uint64) (k uint64, ok bool) {
	leading, last := middle/10, middle%10
	switch p := s.passing(leading); {
	case last == p:
		return 0, false
	case last > p:
		last--
	}
	return leading*9 + last, true
}

// AppendMiddle appends the middle digits of token k. It panics unless k is below
// [Space64.Size].
func (s Space64) AppendMiddle(dst []byte, k uint64) []byte {
	return appendFixed(dst, s.middle(k), s.MiddleLen())
}

// Middle is [Space64.AppendMiddle] as text. A greater k has a greater middle.
func (s Space64) Middle(k uint64) string { return string(s.AppendMiddle(nil, k)) }

// AppendToken appends token k whole. It panics unless k is below [Space64.Size].
func (s Space64) AppendToken(dst []byte, k uint64) []byte {
	m := s.middle(k)
	dst = append(dst, s.first[:]...)
	dst = appendFixed(dst, m, s.MiddleLen())
	return append(dst, s.last[:]...)
}

// Rank returns the number of the token with the given middle digits. ok is false
// for digits that are not the middle of any token of the space.
func (s Space64) Rank(middle string) (k uint64, ok bool) {
	m, ok := parseFixed(middle, s.MiddleLen())
	if !ok || s.length == 0 {
		return 0, false
	}
	return s.rank(m)
}

// Draw returns the number of a random token, each equally likely, taken or not. It
// panics for the zero value.
func (s Space64) Draw() uint64 { return Uint64n(s.Size()) }
