package card

import (
	"encoding/binary"

	"github.com/cardseal/cardseal/internal/pad"
)

// Lengths a card number can have, in digits.
const (
	MinLen = 12
	MaxLen = 19
)

// PAN is a card number of 12 to 19 digits. It is made by ParsePAN, ParsePANLenient
// or ParsePacked and never changes. The zero PAN is no number: its length is 0, it
// masks to nothing and fails every check.
//
// A PAN is a value of a few machine words, to be passed by value. It prints at most
// its first six and last four digits, whatever prints it, and can be neither
// compared with == nor used as a map key: use Equal.
type PAN struct {
	_ [0]func() // makes == and map keys a compile error

	// x and y hold the digits packed two to a byte, the first in the highest
	// nibble, XORed with the start of pad.Value. They are integers and no array, so
	// that a PAN travels in registers. Nibbles past the last digit are zero: were
	// they the XOR of a known filler, they would tell those places of the pad, and
	// with them the digits of every longer number.
	x uint64
	y uint16
	n uint8
}

// The pad as words.
var (
	padX = binary.BigEndian.Uint64(pad.Value[:8])
	padY = binary.BigEndian.Uint16(pad.Value[8:10])
)

// panWords are the digits of a PAN in nibbles: the first sixteen in x, the rest in
// the top of y, zero past the last.
type panWords struct {
	x uint64
	y uint16
}

// words undoes the pad.
func (p PAN) words() panWords {
	mx, my := nibbleMasks(p.n)
	return panWords{(p.x ^ padX) & mx, (p.y ^ padY) & my}
}

// makePAN is words backwards.
func makePAN(w panWords, n uint8) PAN {
	mx, my := nibbleMasks(n)
	return PAN{x: (w.x ^ padX) & mx, y: (w.y ^ padY) & my, n: n}
}

// nibbleMasks selects the nibbles that hold the first n digits.
func nibbleMasks(n uint8) (uint64, uint16) {
	if n == 16 { // nearly always
		return ^uint64(0), 0
	}
	mx := ^(^uint64(0) >> (uint(n) * 4)) // a shift by 64 or more leaves zero
	my := uint16(0)
	if n > 16 {
		my = ^(^uint16(0) >> (uint(n-16) * 4))
	}
	return mx, my
}

// headTail returns the first and the last eight of p's digits in ASCII, first digit in
// the highest byte. With fewer than sixteen they overlap.
func (p PAN) headTail() (head, tail uint64) {
	w := p.words()
	t := w.x >> ((16 - uint(p.n)) * 4 & 63)
	if p.n > 16 {
		over := (uint(p.n) - 16) * 4
		t = w.x<<over | uint64(w.y)>>(16-over)
	}
	return spread(w.x >> 32), spread(t)
}

// Len returns the number of digits, 12 to 19, or 0 for the zero PAN.
func (p PAN) Len() int { return int(p.n) }

// IsZero reports whether p is the zero PAN. encoding/json's omitzero uses it.
func (p PAN) IsZero() bool { return p.n == 0 }

// Equal reports whether p and q are the same number, in a time that depends on
// neither. Two zero PANs are equal.
func (p PAN) Equal(q PAN) bool {
	// Both are XORed with the same pad and zero past their end, so that what lies in
	// memory is equal exactly when the digits are.
	return p.x^q.x|uint64(p.y^q.y)|uint64(p.n^q.n) == 0
}

// Luhn reports whether p passes the Luhn check (ISO/IEC 7812-1, annex B). Whether
// it has to depends on its brand; see Check.
func (p PAN) Luhn() bool {
	if p.n == 0 {
		return false
	}
	w := p.words()
	return (luhnNibbles(w.x, p.n)+luhnNibbles(uint64(w.y), p.n))%10 == 0
}

// luhnNibbles returns a number congruent to the Luhn sum of the digits in x, of a number
// of n digits of which x holds an even-numbered stretch. Zero nibbles change nothing.
func luhnNibbles(x uint64, n uint8) uint64 {
	const nibbles = 0x0F * lanes01
	single, double := x&nibbles, x>>4&nibbles
	if n&1 == 1 { // the last digit is a first nibble, and never counts double
		single, double = double, single
	}
	// Eight times 9+18+1 is below 256.
	v := single + 2*double + ((double+0x7B*lanes01)>>7)&lanes01
	return v * lanes01 >> 56
}

// Network returns the network p belongs to by its leading digits, and the zero
// Network if no range of the table holds it.
func (p PAN) Network() Network {
	if p.n == 0 {
		return Network{}
	}
	return networkAt(uint32(p.words().x >> 32))
}

// Brand returns the brand of p's network; BrandUnknown in no known range.
func (p PAN) Brand() Brand { return p.Network().Brand() }

// Scheme returns the scheme of p's network; SchemeOther in no known range.
func (p PAN) Scheme() Scheme { return p.Network().Scheme() }

// LocalBrand returns the local brand as far as the number alone tells it, and 0
// otherwise.
func (p PAN) LocalBrand() LocalBrand { return p.Network().LocalBrand() }
