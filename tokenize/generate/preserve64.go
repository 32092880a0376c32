package generate

// AppendPreserve64 appends a token for the card number in digits (ASCII, 14 to 19,
// passing Luhn): its first six and last four digits around a random middle, of the
// same length, failing Luhn. Each of the tokens in [Space64Of] is equally likely.
// It is never the number itself, which passes Luhn.
//
// On error it returns nil and a [*Error] for the field "number"; see [Space64Of].
func AppendPreserve64(dst, digits []byte) ([]byte, error) {
	s, err := Space64Of(digits)
	if err != nil {
		return nil, err
	}
	return s.AppendToken(dst, s.Draw()), nil
}
