package generate

import "encoding/hex"

const uuidLen = 36

// AppendUUID appends a random UUID of version 4 (RFC 9562, section 5.4) in lower
// case: 122 random bits in 36 characters.
func AppendUUID(dst []byte) []byte {
	s := stocks.Get().(*stock)
	hi, lo := s.next(), s.next()
	stocks.Put(s)

	hi = hi&^0xf000 | 4<<12     // version, the 13th digit
	lo = lo&^(3<<62) | 0b10<<62 // variant, the top of the 17th (section 4.1)

	dst = appendHex(dst, hi>>32, 8)
	dst = appendHex(append(dst, '-'), hi>>16, 4)
	dst = appendHex(append(dst, '-'), hi, 4)
	dst = appendHex(append(dst, '-'), lo>>48, 4)
	return appendHex(append(dst, '-'), lo, 12)
}

// appendHex appends the lowest digits of v.
func appendHex(dst []byte, v uint64, digits int) []byte {
	var b [8]byte
	for i := range b {
		b[7-i] = byte(v >> (8 * i))
	}
	return hex.AppendEncode(dst, b[8-digits/2:])
}

// IsUUID reports whether token is a version-4 UUID as [AppendUUID] writes it. The
// same UUID in capitals is not: tokens compare byte for byte.
func IsUUID(token string) bool {
	if len(token) != uuidLen {
		return false
	}
	for i := range len(token) {
		c := token[i]
		switch i {
		case 8, 13, 18, 23:
			if c != '-' {
				return false
			}
		case 14:
			if c != '4' {
				return false
			}
		case 19:
			if c != '8' && c != '9' && c != 'a' && c != 'b' {
				return false
			}
		default:
			if c-'0' > 9 && c-'a' > 'f'-'a' {
				return false
			}
		}
	}
	return true
}
