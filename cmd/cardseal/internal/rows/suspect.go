package rows

import "github.com/cardseal/cardseal/tokenize/card"

// HoldsPAN reports whether text passes as a card number or has one in it: a run
// of digits, alone or joined by single spaces and hyphens, that could be a card
// in use. One number in some hundred that are none passes too, such as an order
// number of sixteen digits in a known range.
func HoldsPAN[T ~string | ~[]byte](text T) bool {
	var joined, run [card.MaxLen]byte // digits of the group with separators, and of the run within
	j, r := 0, 0
	last := byte(0)
	for i := 0; i <= len(text); i++ {
		c := byte(0)
		if i < len(text) {
			c = text[i]
		}
		switch {
		case c >= '0' && c <= '9':
			if j < len(joined) {
				joined[j] = c
			}
			if r < len(run) {
				run[r] = c
			}
			j, r = j+1, r+1
		case (c == ' ' || c == '-') && last >= '0' && last <= '9':
			if isPAN(run[:], r) {
				return true
			}
			r = 0
		default:
			if isPAN(run[:], r) || isPAN(joined[:], j) {
				return true
			}
			j, r = 0, 0
		}
		last = c
	}
	return false
}

func isPAN(digits []byte, n int) bool {
	return n <= len(digits) && card.LooksLikePAN(digits[:n])
}

// ManyDigits reports whether text holds so many digits that it is not shown,
// whatever it is.
func ManyDigits[T ~string | ~[]byte](text T) bool {
	n := 0
	for i := range len(text) {
		if text[i] >= '0' && text[i] <= '9' {
			n++
		}
	}
	return n >= card.MinLen-1
}
