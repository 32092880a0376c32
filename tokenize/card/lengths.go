package card

import (
	"iter"
	"math/bits"
)

// Lengths is a set of lengths in digits, 0 to 31, as a bit mask: bit n stands for n
// digits. The zero Lengths is the empty set.
type Lengths uint32

// LengthsOf returns the set of the given lengths. Lengths outside 0 to 31 are left
// out.
func LengthsOf(n ...int) (l Lengths) {
	for _, v := range n {
		if v >= 0 && v < 32 {
			l |= 1 << v
		}
	}
	return l
}

// Has reports whether n is in the set.
func (l Lengths) Has(n int) bool { return n >= 0 && n < 32 && l>>n&1 == 1 }

// All yields the lengths in the set, ascending.
func (l Lengths) All() iter.Seq[int] {
	return func(yield func(int) bool) {
		for rest := l; rest != 0; rest &= rest - 1 {
			if !yield(bits.TrailingZeros32(uint32(rest))) {
				return
			}
		}
	}
}
