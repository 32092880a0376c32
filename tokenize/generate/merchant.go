package generate

import (
	"strings"

	"github.com/cardseal/cardseal/tokenize/card"
)

const maxMerchantToken = 40

// CheckMerchantToken decides whether a token that the caller proposes may stand
// for the card number pan (ASCII digits; empty where no number is saved). It must
// be 1 to 40 characters of 0-9 a-z A-Z, must not contain pan anywhere, and must
// not be 12 to 19 digits that looksLikePAN takes for a card: digits inside a known
// range that pass Luhn, or whose brand does not demand that. Otherwise a PAN would
// stand where a token belongs, in clear and in every log.
//
// Errors are [*Error] for the field "token": [ErrMalformed], [ErrLooksLikeCard].
// looksLikePAN asks the embedding service's BIN table; nil means
// [card.LooksLikePAN], the built-in one. It is called at most once, and with a copy.
func CheckMerchantToken(token string, pan []byte, looksLikePAN func(digits []byte) bool) error {
	if !isMerchantToken(token) {
		return &Error{FieldToken, ErrMalformed}
	}
	if len(pan) > 0 && strings.Contains(token, string(pan)) {
		return &Error{FieldToken, ErrLooksLikeCard}
	}
	if len(token) >= card.MinLen && len(token) <= card.MaxLen && isDigits(token) && isCard(token, looksLikePAN) {
		return &Error{FieldToken, ErrLooksLikeCard}
	}
	return nil
}

// isCard keeps the two calls apart: only what goes to an unknown function has to
// live on the heap.
func isCard(token string, looksLikePAN func(digits []byte) bool) bool {
	if looksLikePAN == nil {
		return card.LooksLikePAN([]byte(token))
	}
	return looksLikePAN([]byte(token))
}

func isMerchantToken(token string) bool {
	if len(token) < 1 || len(token) > maxMerchantToken {
		return false
	}
	for i := range len(token) {
		c := token[i]
		if c-'0' > 9 && c|0x20-'a' > 'z'-'a' {
			return false
		}
	}
	return true
}
