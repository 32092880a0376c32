package generate

// Digits are handled eight at a time: one to a byte of a 64-bit word, the first
// digit in the lowest byte, so that a little-endian store writes them in order.

const (
	asciiZeros = 0x3030303030303030
	evenBytes  = 0x00ff00ff00ff00ff
	lanesOfOne = 0x0001000100010001
)

// digits8 spreads n, below 10^8, over a word. Each step halves the groups: the
// quotient stays, the remainder moves up into the group's other half. The
// multiplications stand for divisions and are exact over the ranges that occur.
func digits8(n uint64) uint64 {
	q := n / 1_0000
	v := q | (n-q*1_0000)<<32
	q = (v * 10486 >> 20) & 0x0000007f_0000007f // by 100, below 10^4
	v = q | (v-q*100)<<16
	q = (v * 103 >> 10) & 0x000f_000f_000f_000f // by 10, below 100
	return q | (v-q*10)<<8
}

// doubled returns the Luhn value of doubled digits, one in each 16-bit lane:
// twice the digit, less nine from 5 on (ISO/IEC 7812-1, annex B).
func doubled(lanes uint64) uint64 {
	nine := (lanes + 0x7b*lanesOfOne) >> 7 & lanesOfOne // 1 where the digit is 5 or more
	return 2*lanes - 9*nine
}

// total adds up the four 16-bit lanes.
func total(lanes uint64) uint64 { return lanes * lanesOfOne >> 48 }

// luhn16 returns the Luhn sum of 16 digits in two words. Of an even number of
// digits the first is doubled.
func luhn16(first, second uint64) uint64 {
	return total(doubled(first&evenBytes) + doubled(second&evenBytes) +
		first>>8&evenBytes + second>>8&evenBytes)
}

// luhnDoubledLast returns the Luhn sum of eight digits of which the last is
// doubled.
func luhnDoubledLast(word uint64) uint64 {
	return total(doubled(word>>8&evenBytes) + word&evenBytes)
}

// checkDigit returns the digit that brings sum, below 256, to a multiple of ten.
// Sixteen digits add up to 144 at most.
func checkDigit(sum uint64) uint64 { return uint64(checkDigits[uint8(sum)]) }

// checkDigits spares two divisions where every nanosecond counts.
var checkDigits = func() (t [256]uint8) {
	for sum := range t {
		t[sum] = uint8((10 - sum%10) % 10)
	}
	return t
}()

// appendFixed appends v as exactly width digits, at most 19.
func appendFixed(dst []byte, v uint64, width int) []byte {
	var b [maxDigits]byte
	for i := width - 1; i >= 0; i-- {
		q := v / 10
		b[i] = '0' + byte(v-q*10)
		v = q
	}
	return append(dst, b[:width]...)
}

// parseFixed reads exactly width ASCII digits, at most 19.
func parseFixed(s string, width int) (v uint64, ok bool) {
	if len(s) != width {
		return 0, false
	}
	for i := range len(s) {
		d := s[i] - '0'
		if d > 9 {
			return 0, false
		}
		v = v*10 + uint64(d)
	}
	return v, true
}

// isDigits reports whether s holds ASCII digits alone. An empty s passes.
func isDigits[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i]-'0' > 9 {
			return false
		}
	}
	return true
}
