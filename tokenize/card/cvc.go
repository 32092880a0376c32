package card

import (
	"crypto/subtle"

	"github.com/cardseal/cardseal/internal/pad"
)

// PackedCVCSize is the length in bytes of what CVC.AppendPacked appends.
const PackedCVCSize = 3

// CVC is a security code of three or four digits (CVV2, CVC2, CID and the like). It
// is made by ParseCVC or ParsePackedCVC and never changes. The zero CVC is no code.
//
// A security code is sensitive authentication data: PCI DSS 3.3.1 forbids to keep it
// after authorization, even encrypted, except to issuers. A CVC prints as the same
// text whatever its digits, and can be neither compared with == nor be a map key.
type CVC struct {
	_ [0]func() // makes == and map keys a compile error

	// packed holds two digits to a byte XORed with a part of pad.Value that no PAN
	// uses: the visible digits of a masked number would otherwise tell it. The unused
	// nibble of a short code is zero, so that it doesn't tell the pad for a long one.
	packed [2]byte
	n      uint8
}

// Where the pad of codes lies in pad.Value; a PAN uses the first ten bytes.
const codePad = 16

// ParseCVC reads a security code of three or four ASCII digits. Every error is an
// *Error for the field "securityCode". A successful parse allocates nothing, and s
// is not kept.
func ParseCVC[T ~string | ~[]byte](s T) (CVC, error) {
	if len(s) == 0 {
		return CVC{}, missing(FieldCode)
	}
	var d [4]byte
	for i := range len(s) {
		if !isDigit(s[i]) {
			return CVC{}, invalid(FieldCode, ReasonNotDigit)
		}
		if i < len(d) {
			d[i] = s[i] - '0'
		}
	}
	if len(s) != 3 && len(s) != 4 {
		return CVC{}, invalid(FieldCode, ReasonCodeLength)
	}
	return makeCVC(d[0]<<4|d[1], d[2]<<4|d[3], uint8(len(s))), nil
}

func makeCVC(a, b byte, n uint8) CVC {
	return CVC{packed: [2]byte{a ^ pad.Value[codePad], (b ^ pad.Value[codePad+1]) & codeMask(n)}, n: n}
}

// codeMask selects the nibbles of the second byte that hold digits.
func codeMask(n uint8) byte {
	if n == 4 {
		return 0xFF
	}
	return 0xF0
}

// bytes undoes the pad; the unused nibble is zero.
func (c *CVC) bytes() (a, b byte) {
	return c.packed[0] ^ pad.Value[codePad], (c.packed[1] ^ pad.Value[codePad+1]) & codeMask(c.n)
}

// Len returns the number of digits, 3 or 4, or 0 for the zero CVC.
func (c CVC) Len() int { return int(c.n) }

// IsZero reports whether c is the zero CVC.
func (c CVC) IsZero() bool { return c.n == 0 }

// Equal reports whether c and d are the same code, in a time that depends on
// neither. Two zero CVCs are equal.
func (c CVC) Equal(d CVC) bool {
	return subtle.ConstantTimeCompare(c.packed[:], d.packed[:])&
		subtle.ConstantTimeByteEq(c.n, d.n) == 1
}

// AppendDigits REVEALS the code: it appends its digits in ASCII to dst, nothing for
// the zero CVC. It allocates only if dst has no room.
func (c CVC) AppendDigits(dst []byte) []byte {
	a, b := c.bytes()
	switch c.n {
	case 3:
		return append(dst, '0'+a>>4, '0'+a&15, '0'+b>>4)
	case 4:
		return append(dst, '0'+a>>4, '0'+a&15, '0'+b>>4, '0'+b&15)
	}
	return dst
}

// AppendPacked REVEALS the code, for sealing it: it appends PackedCVCSize bytes, the
// number of digits followed by two bytes of two digits each, an unused nibble 0xF.
// The zero CVC appends nothing, which ParsePackedCVC refuses. It allocates only if
// dst has no room.
func (c CVC) AppendPacked(dst []byte) []byte {
	if c.n == 0 {
		return dst
	}
	a, b := c.bytes()
	return append(dst, c.n, a, b|^codeMask(c.n))
}

// ParsePackedCVC reads what AppendPacked wrote and nothing else. The error is an
// *Error for the field "securityCode". It allocates nothing but that error.
func ParsePackedCVC(b []byte) (CVC, error) {
	if len(b) != PackedCVCSize || b[0] < 3 || b[0] > 4 {
		return CVC{}, invalid(FieldCode, ReasonPacked)
	}
	m := codeMask(b[0])
	if b[2]|m != 0xFF || !decimalNibbles(uint64(b[1])) || !decimalNibbles(uint64(b[2]&m)) {
		return CVC{}, invalid(FieldCode, ReasonPacked)
	}
	return makeCVC(b[1], b[2]&m, b[0]), nil
}

// ValidFor reports whether cards of brand b carry codes of c's length: four digits
// for American Express, none for UATP, three for the others; BrandUnknown takes both.
func (c CVC) ValidFor(b Brand) bool { return b.CVCLengths().Has(c.Len()) }

// CheckFor is ValidFor as an error: an *Error for the field "securityCode", Missing
// for the zero CVC, Unsupported where the brand has no codes at all.
func (c CVC) CheckFor(b Brand) error {
	switch {
	case c.IsZero():
		return missing(FieldCode)
	case c.ValidFor(b):
		return nil
	case b.CVCLengths() == 0:
		return &Error{Field: FieldCode, Kind: Unsupported, Reason: ReasonCodeBrand}
	}
	return invalid(FieldCode, ReasonCodeBrand)
}
