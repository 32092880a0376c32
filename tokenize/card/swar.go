package card

import "encoding/binary"

// Eight digits are handled at once in one 64-bit word, a byte lane each. Where
// the order of the lanes matters, words are loaded big-endian: the first digit is
// the highest byte.
const (
	lanes01 = 0x0101010101010101
	lanes30 = 0x3030303030303030 // eight times '0'
	lanes76 = 0x7676767676767676 // 0x76 + 10 reaches bit 7
	lanes80 = 0x8080808080808080
	lanesLo = 0x00FF00FF00FF00FF // every second lane
)

// notDigits takes eight ASCII bytes from which '0' was XORed away, and returns
// something other than 0 if any of them was no digit. A lane of 0x8A or more
// carries into its neighbour when 0x76 is added, but is itself caught by bit 7.
func notDigits(w uint64) uint64 {
	return (w | (w + lanes76)) & lanes80
}

// squeeze packs eight digit lanes (0 to 9 each) into eight nibbles, order kept.
func squeeze(w uint64) uint64 {
	w = (w | w>>4) & 0x00FF00FF00FF00FF
	w = (w | w>>8) & 0x0000FFFF0000FFFF
	return (w | w>>16) & 0x00000000FFFFFFFF
}

// spread is squeeze backwards: the low eight nibbles become eight ASCII digits.
func spread(x uint64) uint64 {
	x &= 0x00000000FFFFFFFF
	x = (x | x<<16) & 0x0000FFFF0000FFFF
	x = (x | x<<8) & 0x00FF00FF00FF00FF
	x = (x | x<<4) & 0x0F0F0F0F0F0F0F0F
	return x | lanes30
}

func load(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// isDigit reports whether c is an ASCII digit.
func isDigit(c byte) bool { return c-'0' <= 9 }

// allDigits reports whether b consists of ASCII digits; true for an empty b.
func allDigits(b []byte) bool {
	for len(b) >= 8 {
		if notDigits(load(b)^lanes30) != 0 {
			return false
		}
		b = b[8:]
	}
	for _, c := range b {
		if !isDigit(c) {
			return false
		}
	}
	return true
}
