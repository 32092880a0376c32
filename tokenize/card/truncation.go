package card

// Truncation is what may be kept of a number when the rest is thrown away for good (PCI
// DSS 3.5.1, FAQ 1091 as of June 2022). It is not a mask: a masked number still exists
// behind its display. All counts are digits, and the three add up to the length.
type Truncation struct {
	First   int // leading digits kept at most
	Last    int // trailing digits kept at most
	Removed int // digits removed at least
}

// Truncation returns what may be kept of a number of n's with length digits. For lengths
// of 13 or less six and four would leave fewer than four removed, so the leading digits
// give way. Two truncations of one number must not coexist in different formats.
func (n Network) Truncation(length int) Truncation {
	// Everything not listed may keep six and four: the FAQ's baseline, which also
	// holds for 17 to 19 digits, of which the FAQ does not speak. Where the FAQ lets
	// any four other digits stay, the last four are taken: one format for everything
	// is what 3.5.1 asks for.
	first := 6
	if length == 16 {
		switch n.ID() {
		case "discover", "jcb", "mastercard", "unionpay", "visa":
			first = 8
		}
	}
	last := min(maxLast, max(length-minHidden, 0))
	first = min(first, max(length-minHidden-last, 0))
	return Truncation{first, last, max(length, 0) - first - last}
}
