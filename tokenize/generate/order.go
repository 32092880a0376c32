package generate

import "iter"

// The ordered column of a Preserve64 token: first six ‖ last four ‖ length in two
// digits ‖ middle. All tokens of a [Space64] stand together in it, ascending by
// their middles, so that one scan of a prefix reads the tokens in use. It holds
// nothing that the token beside it does not.
const orderPrefixLen = kept + 2

// AppendOrder appends the ordered column's value for token. ok is false, and
// nothing is appended, unless token is 14 to 19 ASCII digits.
func AppendOrder(dst []byte, token string) (_ []byte, ok bool) {
	n := len(token)
	if n < minPreserved || n > maxPreserved || !isDigits(token) {
		return dst, false
	}
	dst = append(dst, token[:keptFirst]...)
	dst = append(dst, token[n-keptLast:]...)
	dst = append(dst, '1', '0'+byte(n-10))
	return append(dst, token[keptFirst:n-keptLast]...), true
}

// Order is [AppendOrder] as text.
func Order(token string) (order string, ok bool) {
	b, ok := AppendOrder(make([]byte, 0, maxPreserved+2), token)
	return string(b), ok
}

// FromOrder returns the token that an ordered value was made from. ok is false for
// text that [AppendOrder] does not make.
func FromOrder(order string) (token string, ok bool) {
	n := len(order) - 2
	if n < minPreserved || n > maxPreserved || !isDigits(order) ||
		order[kept] != '1' || order[kept+1] != '0'+byte(n-10) {
		return "", false
	}
	return order[:keptFirst] + order[orderPrefixLen:] + order[keptFirst:kept], true
}

// OrderPrefix returns what the ordered values of the space's tokens begin with,
// and no others: the range for a scan. It is empty for the zero value.
func (s Space64) OrderPrefix() string {
	if s.length == 0 {
		return ""
	}
	b := make([]byte, 0, orderPrefixLen)
	b = append(b, s.first[:]...)
	b = append(b, s.last[:]...)
	return string(append(b, '1', '0'+s.length-10))
}

// Middles turns ordered values of the space, as a store's scan of
// [Space64.OrderPrefix] yields them, into the middles that [Space64.DrawFree]
// reads. A value of another space ends the sequence with [ErrDisorder].
func (s Space64) Middles(ordered iter.Seq2[string, error]) iter.Seq2[string, error] {
	prefix := s.OrderPrefix()
	return func(yield func(string, error) bool) {
		for order, err := range ordered {
			if err != nil {
				yield("", err)
				return
			}
			if len(order) < orderPrefixLen || order[:orderPrefixLen] != prefix {
				yield("", ErrDisorder)
				return
			}
			if !yield(order[orderPrefixLen:], nil) {
				return
			}
		}
	}
}
