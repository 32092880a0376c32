package chaostest

import (
	"fmt"

	"github.com/cardseal/cardseal/tokenize/card"
)

// Number is the i-th card, from 0: a Luhn-valid number of a range for tests.
func Number(i int) (card.PAN, error) {
	digits := fmt.Appendf(nil, "400000%09d", i)
	check, err := card.CheckDigit(digits)
	if err != nil {
		return card.PAN{}, err
	}
	return card.ParsePAN(append(digits, check))
}
