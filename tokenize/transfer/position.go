package transfer

import "github.com/cardseal/cardseal/tokenize/card"

// checkPosition refuses what cannot be one.
func checkPosition(before, p []byte) error {
	if len(p) == 0 || len(p) > MaxPosition || string(p) == string(before) || holdsPAN(p) {
		return failed("source", ErrPosition)
	}
	return nil
}

// holdsPAN reports a run of digits that could be a card number in use.
func holdsPAN(p []byte) bool {
	run := 0
	for i := 0; i <= len(p); i++ {
		if i < len(p) && p[i] >= '0' && p[i] <= '9' {
			run++
			continue
		}
		if card.LooksLikePAN(p[i-run : i]) {
			return true
		}
		run = 0
	}
	return false
}
