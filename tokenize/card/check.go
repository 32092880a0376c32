package card

// Check is the BASIC verification of a number: it lies in a range that table knows (the
// built-in table if nil), has a length its brand uses, and passes Luhn if its brand
// demands it. The error says which of the three failed, in that order: an *Error for
// the field "number" with ReasonRange, ReasonBrandLength or ReasonLuhn, or Missing for
// the zero PAN. Where neither table has a rule, every length from 12 to 19 passes and
// Luhn is demanded.
func (p PAN) Check(table BINTable) error {
	if p.IsZero() {
		return missing(FieldNumber)
	}
	if table == nil {
		n := p.Network()
		return p.checkRules(n.Known(), n.Lengths(), n.Luhn())
	}
	d, ok := p.BINDetails(table)
	return p.checkRules(ok, d.Lengths, d.Luhn)
}

func (p PAN) checkRules(known bool, lengths Lengths, luhn LuhnRule) error {
	switch {
	case !known:
		return invalid(FieldNumber, ReasonRange)
	case lengths != 0 && !lengths.Has(p.Len()):
		return invalid(FieldNumber, ReasonBrandLength)
	case luhn != LuhnOptional && !p.Luhn():
		return invalid(FieldNumber, ReasonLuhn)
	}
	return nil
}

// LooksLikePAN reports whether digits could be a card number in use: 12 to 19 ASCII
// digits in a known range that pass Luhn, or whose network doesn't demand it. It is
// meant for places where a number must not stand (tokens that callers choose, columns
// of a file), so it doesn't hold the length against the brand. It allocates nothing.
func LooksLikePAN(digits []byte) bool {
	if len(digits) < MinLen || len(digits) > MaxLen || !allDigits(digits) {
		return false
	}
	n := NetworkOf(digits)
	return n.Known() && (n.Luhn() == LuhnOptional || Luhn(digits))
}
