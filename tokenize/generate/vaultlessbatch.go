package generate

import "github.com/cardseal/cardseal/tokenize/card"

// vaultlessStep is how many numbers of a batch are in work at a time.
const vaultlessStep = 64

// AppendTokens appends the tokens of many card numbers of one length, which lie one
// behind the other in numbers. It does what as many calls of [Vaultless.AppendToken]
// do, in less time. dst may be numbers[:0]; else the two must not overlap.
//
// On error it returns nil and has written nothing: that of the first number which
// [CheckVaultless] refuses, or [ErrMalformed] if numbers is not a whole count of the
// length.
func (f *Vaultless) AppendTokens(dst, numbers []byte, length int) ([]byte, error) {
	if length < minVaultless {
		return nil, &Error{FieldNumber, ErrSmallDomain}
	}
	if length > maxVaultless || len(numbers)%length != 0 {
		return nil, &Error{FieldNumber, ErrMalformed}
	}
	for i := 0; i < len(numbers); i += length {
		if err := CheckVaultless(numbers[i : i+length]); err != nil {
			return nil, err
		}
	}
	s := &f.splits[length-minVaultless]
	for len(numbers) > 0 {
		n := min(len(numbers), vaultlessStep*length)
		at := len(dst)
		dst = append(dst, numbers[:n]...)
		if err := s.walkAll(dst[at:]); err != nil {
			return nil, err
		}
		numbers = numbers[n:]
	}
	return dst, nil
}

// walkAll makes tokens of up to vaultlessStep numbers, in place.
func (s *split) walkAll(wholes []byte) error {
	var (
		middles [vaultlessStep * (maxVaultless - kept)]byte
		tweaks  [vaultlessStep * kept]byte
		walking [vaultlessStep]int // where those begin that do not fail Luhn yet
	)
	left := walking[:0]
	for at := 0; at < len(wholes); at += s.length {
		turn(wholes[at:at+s.length], 1)
		left = append(left, at)
	}
	size := s.length - s.kept()
	for len(left) > 0 {
		m, t := middles[:0], tweaks[:0]
		for _, at := range left {
			m = append(m, wholes[at+s.first:][:size]...)
			t = s.appendKept(t, wholes[at:at+s.length])
		}
		if _, err := s.middle.EncryptBatch(m[:0], m, t); err != nil {
			return err
		}
		again := left[:0]
		for i, at := range left {
			copy(wholes[at+s.first:], m[i*size:][:size])
			if card.Luhn(wholes[at : at+s.length]) {
				again = append(again, at)
			}
		}
		left = again
	}
	clear(middles[:])
	return nil
}
