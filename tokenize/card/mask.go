package card

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// Mask says which digits of a number may be seen: a count from the front, a count from
// the back, and the character in place of the rest. It is made by NewMask or ParseMask.
//
// A Mask is an upper bound. What PCI DSS 3.4.1 and FAQ 1091 allow to be shown of a
// number of a given length is applied on top, and so is a floor of four hidden digits:
// more than six leading digits are shown of 16 digits only, and of 12 or 13 digits 6.4
// shows the first four or five. The zero Mask hides every digit.
type Mask uint32

// Mask64 shows the first six and the last four digits: the default.
const Mask64 Mask = 6<<16 | 4<<8 | 'x'

const (
	maxFirst  = 8
	maxLast   = 4
	minHidden = 4
	maskFills = "xX*#._-"
)

// NewMask returns a mask that shows the first (0 to 8) and last (0 to 4) digits of a
// number and fill, one of x X * # . _ -, in place of each other one. The error is an
// *Error for the field "mask".
func NewMask(first, last int, fill byte) (Mask, error) {
	if first < 0 || first > maxFirst || last < 0 || last > maxLast {
		return 0, invalid(FieldMask, ReasonMaskWide)
	}
	if strings.IndexByte(maskFills, fill) < 0 {
		return 0, invalid(FieldMask, ReasonMaskFill)
	}
	return Mask(uint32(first)<<16 | uint32(last)<<8 | uint32(fill)), nil
}

// ParseMask reads "6.4", "8.4", "0.4" and the like: a digit for each count, and the
// fill behind them unless it is x, as in "6.4*". The error is an *Error for the field
// "mask".
func ParseMask(s string) (Mask, error) {
	if s == "" {
		return 0, missing(FieldMask)
	}
	if len(s) < 3 || len(s) > 4 || !isDigit(s[0]) || s[1] != '.' || !isDigit(s[2]) {
		return 0, invalid(FieldMask, ReasonMaskForm)
	}
	fill := byte('x')
	if len(s) == 4 {
		if fill = s[3]; fill == 'x' || isDigit(fill) {
			return 0, invalid(FieldMask, ReasonMaskForm) // one spelling for each mask
		}
	}
	return NewMask(int(s[0]-'0'), int(s[2]-'0'), fill)
}

// First returns how many leading digits the mask shows at most, 0 to 8.
func (m Mask) First() int { return min(int(m>>16), maxFirst) }

// Last returns how many trailing digits the mask shows at most, 0 to 4.
func (m Mask) Last() int { return min(int(m>>8&0xFF), maxLast) }

// Fill returns the character in place of a hidden digit, x for the zero Mask.
func (m Mask) Fill() byte {
	switch f := byte(m); f {
	case 'x': // first, being the usual one
	case 'X', '*', '#', '.', '_', '-':
		return f
	}
	return 'x'
}

// String returns the mask as ParseMask reads it.
func (m Mask) String() string {
	s := strconv.Itoa(m.First()) + "." + strconv.Itoa(m.Last())
	if f := m.Fill(); f != 'x' {
		s += string(rune(f))
	}
	return s
}

// MarshalText returns String.
func (m Mask) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText is ParseMask.
func (m *Mask) UnmarshalText(b []byte) error {
	got, err := ParseMask(string(b))
	if err == nil {
		*m = got
	}
	return err
}

// Shows returns how many leading and trailing digits of a number of n digits are shown
// in the end: never more than BINLen and four, and never so many that fewer than four
// are hidden. Leading digits give way first.
func (m Mask) Shows(n int) (first, last int) {
	last = min(m.Last(), max(n-minHidden, 0))
	first = min(m.First(), BINLen(n), max(n-minHidden-last, 0))
	return first, last
}

// AppendMasked appends digits, ASCII digits of any number, to dst as m shows them. If
// any byte is not a digit, nothing can be said of what may be shown, and every byte
// is hidden. dst's spare room must not overlap digits. It allocates only if dst has no
// room.
func AppendMasked(dst, digits []byte, m Mask) []byte {
	n, at := len(digits), len(dst)
	dst = room(dst, n)
	out := dst[at:]
	if n < MinLen || n > MaxLen {
		m.maskAny(out, digits)
		return dst
	}
	head, tail := load(digits), load(digits[n-8:])
	if n == 16 && m == Mask64 && notDigits(head^lanes30)|notDigits(tail^lanes30) == 0 {
		put64(out, head, tail)
		return dst
	}
	bad := notDigits(head^lanes30) | notDigits(tail^lanes30)
	if n > 16 {
		bad |= notDigits(load(digits[8:]) ^ lanes30)
	}
	if bad != 0 {
		m &= 0xFF // the fill alone
	}
	m.maskWords(out, head, tail)
	return dst
}

// AppendMasked appends p to dst as m shows it, nothing for the zero PAN. It allocates
// only if dst has no room.
func (p PAN) AppendMasked(dst []byte, m Mask) []byte {
	if p.n == 0 {
		return dst
	}
	at := len(dst)
	dst = room(dst, int(p.n))
	head, tail := p.headTail()
	if p.n == 16 && m == Mask64 {
		put64(dst[at:], head, tail)
	} else {
		m.maskWords(dst[at:], head, tail)
	}
	return dst
}

// Masked returns p as Mask64 shows it, such as 411111xxxxxx1111; "" for the zero PAN.
func (p PAN) Masked() string {
	var buf [MaxLen]byte
	return string(p.AppendMasked(buf[:0], Mask64))
}

// put64 is maskWords for the default mask on the usual sixteen digits, where all that
// maskWords works out is known beforehand: half the time.
func put64(out []byte, head, tail uint64) {
	const fill = 'x' * lanes01
	binary.BigEndian.PutUint64(out, head&^0xFFFF|fill&0xFFFF)
	binary.BigEndian.PutUint64(out[8:], tail&0xFFFFFFFF|fill&^0xFFFFFFFF)
}

// maskWords fills out, as long as the number is (12 to 19), given the first and the last
// eight digits.
func (m Mask) maskWords(out []byte, head, tail uint64) {
	n := len(out)
	fill := uint64(m.Fill()) * lanes01
	first, last := m.First(), m.Last()
	if n != 16 { // of sixteen, eight and four are both allowed
		first, last = m.Shows(n)
	}
	if n > 16 {
		binary.BigEndian.PutUint64(out[8:], fill)
	}
	hideHead := ^uint64(0) >> (uint(first) * 8)
	hideTail := ^uint64(0) << (uint(last) * 8 & 63)
	// Below sixteen digits the two words overlap. The head is written last and takes
	// the overlap, which holds none of the last four digits: those start at place 8 or
	// later, there being twelve digits or more.
	binary.BigEndian.PutUint64(out[n-8:], tail^(tail^fill)&hideTail)
	binary.BigEndian.PutUint64(out, head^(head^fill)&hideHead)
}

// maskAny writes all of digits as m shows them, byte by byte: for lengths no card number
// has.
func (m Mask) maskAny(out, digits []byte) {
	n := len(digits)
	first, last := m.Shows(n)
	if !allDigits(digits) {
		first, last = 0, 0
	}
	fill := m.Fill()
	for i := range out {
		out[i] = fill
	}
	copy(out[:first], digits)
	copy(out[n-last:], digits[n-last:])
}
