package card

// ParsePAN reads a card number of 12 to 19 ASCII digits, and nothing but digits.
// It demands neither Luhn nor a known range; Check does. Every error is an *Error
// for the field "number". A successful parse allocates nothing, and s is not kept.
func ParsePAN[T ~string | ~[]byte](s T) (PAN, error) {
	n := len(s)
	if n > MaxLen || n < MinLen {
		return PAN{}, numberError(s)
	}
	mid := uint64(lanes30)
	if n > 16 {
		mid = loadFrom(s, 8)
	}
	p, ok := packDigits(loadFrom(s, 0), mid, loadFrom(s, n-8), n)
	if !ok {
		return PAN{}, numberError(s)
	}
	return p, nil
}

// ParsePANLenient is ParsePAN for numbers as people write them: a single space or
// a single hyphen may stand between two digits, anywhere and in any mixture. One at
// the beginning, at the end or beside another one is refused, and so is every other
// character (a tab, a no-break space, a digit outside ASCII). A successful parse
// allocates nothing, and s is not kept.
func ParsePANLenient[T ~string | ~[]byte](s T) (PAN, error) {
	var buf [24]byte
	n := 0
	separated := true // a separator is not allowed here: at the start, or after another
	for i := range len(s) {
		c := s[i]
		switch {
		case isDigit(c):
			if n < len(buf) {
				buf[n] = c
			}
			n++
			separated = false
		case c != ' ' && c != '-':
			return PAN{}, invalid(FieldNumber, ReasonNotDigit)
		case separated:
			return PAN{}, invalid(FieldNumber, ReasonBadSeparator)
		default:
			separated = true
		}
	}
	switch {
	case len(s) == 0:
		return PAN{}, missing(FieldNumber)
	case separated:
		return PAN{}, invalid(FieldNumber, ReasonBadSeparator)
	case n < MinLen:
		return PAN{}, invalid(FieldNumber, ReasonTooShort)
	case n > MaxLen:
		return PAN{}, invalid(FieldNumber, ReasonTooLong)
	}
	p, _ := packDigits(load(buf[:]), load(buf[8:]), load(buf[n-8:]), n)
	return p, nil
}

// loadFrom is load for a string or bytes; the compiler makes one load of it.
func loadFrom[T ~string | ~[]byte](s T, i int) uint64 {
	return uint64(s[i])<<56 | uint64(s[i+1])<<48 | uint64(s[i+2])<<40 | uint64(s[i+3])<<32 |
		uint64(s[i+4])<<24 | uint64(s[i+5])<<16 | uint64(s[i+6])<<8 | uint64(s[i+7])
}

// packDigits makes a PAN of the first eight, the second eight and the last eight of n
// ASCII digits, if they all are digits. Up to sixteen, the second eight are not looked
// at: what the last ones share with the first is the same digits in the same place.
func packDigits(head, mid, tail uint64, n int) (PAN, bool) {
	head, mid, tail = head^lanes30, mid^lanes30, tail^lanes30
	bad := notDigits(head) | notDigits(tail)
	last := squeeze(tail)
	w := panWords{x: squeeze(head) << 32}
	if n > 16 {
		bad |= notDigits(mid)
		w.x |= squeeze(mid)
		w.y = uint16(last << (uint(20-n) * 4))
	} else {
		w.x |= last << (uint(16-n) * 4)
	}
	if bad != 0 {
		return PAN{}, false
	}
	return makePAN(w, uint8(n)), true
}

// numberError finds out why ParsePAN refused s. Input far longer than any number is
// not read to its end.
func numberError[T ~string | ~[]byte](s T) error {
	if len(s) == 0 {
		return missing(FieldNumber)
	}
	for i := range min(len(s), 64) {
		switch c := s[i]; {
		case isDigit(c):
		case c == ' ' || c == '-':
			return invalid(FieldNumber, ReasonSeparator)
		default:
			return invalid(FieldNumber, ReasonNotDigit)
		}
	}
	if len(s) < MinLen {
		return invalid(FieldNumber, ReasonTooShort)
	}
	return invalid(FieldNumber, ReasonTooLong)
}
