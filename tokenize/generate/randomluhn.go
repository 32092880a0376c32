package generate

import "encoding/binary"

const (
	luhnTokenLen = 16
	// perSlot is what follows the code: eleven free digits.
	perSlot = 1_000_0000_0000
)

// RandomWithLuhnSize is the number of tokens that [AppendRandomWithLuhn] draws
// from: 624 three-digit codes times 10^11.
const RandomWithLuhnSize = uint64(slots) * perSlot

// AppendRandomWithLuhn appends a token of 16 digits, 9nnnnnnnnnnnnnnC: a leading
// 9, fourteen digits, the Luhn check digit. The three digits after the 9 are never
// a country code of ISO 3166-1, present or past, nor one of its user-assigned
// codes, since ISO/IEC 7812-1 gives 9 and a country code to national schemes; all
// brand ranges known to package card that begin with 9 are among those.
// Each of the [RandomWithLuhnSize] tokens is equally likely.
func AppendRandomWithLuhn(dst []byte) []byte {
	return appendLuhnToken(dst, Uint64n(RandomWithLuhnSize))
}

// appendLuhnToken appends the k-th token in ascending order.
func appendLuhnToken(dst []byte, k uint64) []byte {
	leading := k / 1000_0000 // slot and four digits; both words wait for this alone
	second := digits8((k - leading*1000_0000) * 10)
	slot := leading / 1_0000
	first := uint64(codes.lead[slot]) | digits8(leading-slot*1_0000)
	second |= checkDigit(luhn16(first, second)) << 56

	dst = binary.LittleEndian.AppendUint64(dst, first|asciiZeros)
	return binary.LittleEndian.AppendUint64(dst, second|asciiZeros)
}

// IsRandomWithLuhn reports whether [AppendRandomWithLuhn] of this release can draw
// token. An earlier release may have drawn from a wider space, so a look-up asks
// [Valid] instead.
func IsRandomWithLuhn(token string) bool {
	if !isLuhnToken(token) {
		return false
	}
	code, _ := parseFixed(token[1:4], 3)
	return codes.isOpen[code]
}
