package card

import (
	"encoding/binary"
	"slices"
)

// PackedSize is the length in bytes of what PAN.AppendPacked appends.
const PackedSize = 11

// AppendDigits REVEALS the number: it appends all of p's digits in ASCII to dst,
// nothing for the zero PAN. The caller answers for what happens to them. It
// allocates only if dst has no room.
func (p PAN) AppendDigits(dst []byte) []byte {
	n, at := int(p.n), len(dst)
	if n == 0 {
		return dst
	}
	dst = room(dst, n)
	head, tail := p.headTail()
	out := dst[at:]
	binary.BigEndian.PutUint64(out, head)
	if n > 16 {
		binary.BigEndian.PutUint64(out[8:], spread(p.words().x))
	}
	binary.BigEndian.PutUint64(out[n-8:], tail)
	return dst
}

// room returns dst longer by n bytes, whose values are not set.
func room(dst []byte, n int) []byte {
	if cap(dst)-len(dst) < n {
		dst = slices.Grow(dst, n)
	}
	return dst[:len(dst)+n]
}

// AppendPacked REVEALS the number, for sealing it: it appends PackedSize bytes, the
// number of digits followed by ten bytes of two digits each, first digit in the high
// nibble, unused nibbles 0xF. The size doesn't depend on the length, so that
// ciphertexts of two numbers can't be told apart by it. The zero PAN appends nothing,
// which ParsePacked refuses. It allocates only if dst has no room.
func (p PAN) AppendPacked(dst []byte) []byte {
	if p.n == 0 {
		return dst
	}
	mx, my := nibbleMasks(p.n)
	dst = room(dst, PackedSize)
	b := (*[PackedSize]byte)(dst[len(dst)-PackedSize:])
	b[0] = p.n
	binary.BigEndian.PutUint64(b[1:], p.x^padX|^mx)
	binary.BigEndian.PutUint16(b[9:], p.y^padY|^my)
	return dst
}

// ParsePacked reads what AppendPacked wrote and nothing else: exactly PackedSize
// bytes, a length of 12 to 19, that many digits, and 0xF in every other nibble. The
// error is an *Error for the field "number". It allocates nothing but that error.
func ParsePacked(b []byte) (PAN, error) {
	if len(b) != PackedSize || b[0] < MinLen || b[0] > MaxLen {
		return PAN{}, invalid(FieldNumber, ReasonPacked)
	}
	n, x, y := b[0], binary.BigEndian.Uint64(b[1:]), binary.BigEndian.Uint16(b[9:])
	if n == 16 && y == 0xFFFF && decimalNibbles(x) { // nearly always
		return PAN{x: x ^ padX, n: n}, nil
	}
	mx, my := nibbleMasks(n)
	// Unused nibbles have to be full, the others nine at most.
	if x|mx != ^uint64(0) || y|my != ^uint16(0) || !decimalNibbles(x&mx) || !decimalNibbles(uint64(y&my)) {
		return PAN{}, invalid(FieldNumber, ReasonPacked)
	}
	return makePAN(panWords{x & mx, y & my}, n), nil
}

// decimalNibbles reports whether no nibble of x is above nine: of such a nibble bit
// 3 and one of bits 1 and 2 are set.
func decimalNibbles(x uint64) bool {
	return x>>3&(x>>2|x>>1)&0x1111111111111111 == 0
}

// BINLen returns how many leading digits of a number of n digits may be shown beside
// its last four: 8 of 16 digits, otherwise 6 (PCI SSC FAQ 1091; PCI DSS 3.4.1).
func BINLen(n int) int {
	if n == 16 {
		return 8
	}
	return 6
}

// AppendBIN appends the BIN, the leading BINLen digits, to dst; nothing for the zero
// PAN.
func (p PAN) AppendBIN(dst []byte) []byte {
	if p.n == 0 {
		return dst
	}
	pre := p.Prefix()
	return append(dst, pre[:BINLen(int(p.n))]...)
}

// BIN returns what AppendBIN appends.
func (p PAN) BIN() string {
	var buf [8]byte
	return string(p.AppendBIN(buf[:0]))
}

// LastFour returns the last four digits, "" for the zero PAN.
func (p PAN) LastFour() string {
	if p.n == 0 {
		return ""
	}
	_, tail := p.headTail()
	var four [4]byte
	binary.BigEndian.PutUint32(four[:], uint32(tail))
	return string(four[:])
}

// Prefix is the first eight digits of a number in ASCII: what brand and BIN tables
// are asked with. For numbers that don't have 16 digits that is more than may be
// shown, so a Prefix is for looking up, not for logs, screens or storage.
type Prefix [8]byte

// Prefix returns p's first eight digits, and zero bytes for the zero PAN.
func (p PAN) Prefix() (pre Prefix) {
	if p.n != 0 {
		binary.BigEndian.PutUint64(pre[:], spread(p.words().x>>32))
	}
	return pre
}
