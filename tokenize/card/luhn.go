package card

// The Luhn check is annex B of ISO/IEC 7812-1: from the right, every second
// digit is doubled, a doubled digit above nine loses nine, and the sum has to end
// in zero. Modulo ten "loses nine" is "gains one", which is how luhnLanes counts.

// luhnLanes returns lane sums for one word of eight digits. d holds the digits, t
// those of them that count double, moved into the lanes that lanesLo selects. An
// even lane reaches at most 9+9+1, an odd one 9.
func luhnLanes(d, t uint64) uint64 {
	// 5 + 0x7B reaches bit 7: one more for every digit that is doubled beyond nine.
	return d + t + ((t+(0x7B*lanes01&lanesLo))>>7)&(lanes01&lanesLo)
}

// laneSum adds the eight lanes of v.
func laneSum(v uint64) uint64 {
	v = (v & lanesLo) + (v>>8)&lanesLo
	return (v * 0x0001000100010001) >> 48
}

// luhnPair is the sum over sixteen digits in two words, t being the eight of them that
// count double, one to a lane. A lane reaches 9+9+9+1, so that all eight fit a byte.
func luhnPair(a, b, t uint64) uint64 {
	v := a + b + t + ((t+0x7B*lanes01)>>7)&lanes01
	return v * lanes01 >> 56
}

// Luhn reports whether digits, ASCII digits and nothing else, pass the Luhn
// check. Any length is taken; an empty slice fails. It allocates nothing, and up
// to 19 digits are handled in two or three words.
func Luhn(digits []byte) bool {
	if len(digits) == 16 { // the usual card: two full words
		a := load(digits) ^ lanes30
		b := load(digits[8:]) ^ lanes30
		// From the right, the second digit of every pair: the odd lanes.
		return luhnPair(a, b, a>>8&lanesLo|b&^lanesLo)%10 == 0 && notDigits(a)|notDigits(b) == 0
	}
	sum, ok := luhnSum(digits, 0)
	return ok && sum%10 == 0
}

// CheckDigit returns the ASCII digit which, appended to digits, makes a number
// that passes Luhn. An empty slice or anything but ASCII digits is an *Error for
// the field "number". It allocates nothing but that error.
func CheckDigit(digits []byte) (byte, error) {
	var sum uint64
	ok := false
	if len(digits) == 15 { // what makes sixteen
		a := load(digits)
		b := load(digits[7:]) ^ lanes30
		bad := notDigits(a^lanes30) | notDigits(b)
		a = (a ^ lanes30) >> 8 // the eighth digit is in b too
		sum, ok = luhnPair(a, b, a&lanesLo|b&lanesLo<<8), bad == 0
	} else {
		sum, ok = luhnSum(digits, 8)
	}
	if !ok {
		return 0, invalid(FieldNumber, ReasonDigitsOnly)
	}
	return '0' + byte((10-sum%10)%10), nil
}

// luhnSum returns a number congruent to the Luhn sum of digits. With shift 0 the
// last digit counts once (it is the check digit), with shift 8 it counts double
// (the check digit is still to come).
func luhnSum(digits []byte, shift uint) (uint64, bool) {
	n := len(digits)
	if n < 8 || n > 19 {
		return luhnSumAny(digits, shift)
	}
	// The number is cut into words from the right. A leading part of fewer than
	// eight digits is loaded together with digits that were already counted, and
	// these are shifted out; the zeros that come in change no sum.
	w := load(digits[n-8:]) ^ lanes30
	bad := notDigits(w)
	v := luhnLanes(w, w>>(8-shift)&lanesLo)
	if n > 8 {
		if n > 16 {
			w = load(digits[n-16:]) ^ lanes30
			bad |= notDigits(w)
			v += luhnLanes(w, w>>(8-shift)&lanesLo)
			n -= 8
		}
		w = load(digits) ^ lanes30
		bad |= notDigits(w)
		w >>= uint(16-n) * 8
		v += luhnLanes(w, w>>(8-shift)&lanesLo)
	}
	return laneSum(v), bad == 0
}

// luhnSumAny is luhnSum digit by digit, for lengths no card number has.
func luhnSumAny(digits []byte, shift uint) (uint64, bool) {
	sum := uint64(0)
	double := shift != 0
	for i := len(digits) - 1; i >= 0; i-- {
		if !isDigit(digits[i]) {
			return 0, false
		}
		d := uint64(digits[i] - '0')
		if double {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		double = !double
		sum += d
	}
	return sum, len(digits) > 0
}
