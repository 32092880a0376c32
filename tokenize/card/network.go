package card

import "iter"

// Network is one of the card networks of the built-in table, international or local,
// such as visa, elo or mir; brands.json in the data folder has them all, with sources
// and notes. It is found by the leading digits of a number: of all ranges that hold
// them the one with the longest prefix wins.
//
// A Network is a small value. Those of two ranges of one network may differ in co-badge
// and lengths, so compare ID, not the values. The zero Network is no network.
type Network struct{ row uint8 }

// LuhnRule says whether a network's numbers have to pass the Luhn check. The zero
// LuhnRule is not valid.
type LuhnRule uint8

const (
	// LuhnRequired: every number passes.
	LuhnRequired LuhnRule = iota + 1
	// LuhnOptional: numbers that fail are in use.
	LuhnOptional
)

// String returns "required" or "optional".
func (r LuhnRule) String() string {
	return enumName("LuhnRule", []string{"", "required", "optional"}, uint8(r))
}

// networkRow is what the generated table knows of one network. A network whose ranges
// differ in co-badge or lengths has a row for each kind.
type networkRow struct {
	id, name   string
	brand      Brand
	scheme     Scheme
	local      LocalBrand
	coBadge    string
	lengths    Lengths
	cvcLengths Lengths
	luhn       LuhnRule
}

// NetworkOf returns the network of a number or BIN given as ASCII digits, of which it
// reads eight at most. Fewer than eight are answered if all numbers that begin so lie
// in one range of the table. Anything else is the zero Network. It allocates nothing.
func NetworkOf(digits []byte) Network {
	if len(digits) >= 8 {
		w := load(digits) ^ lanes30
		if notDigits(w) != 0 {
			return Network{}
		}
		// The three digits that mostly decide are taken where they lie; only the
		// search needs all eight side by side.
		e := rangeIndex[w>>56*100+w>>48&15*10+w>>40&15]
		if e>>8&0xFF == 1 {
			return Network{uint8(e)}
		}
		return Network{rangeRow[rangeIn(e, uint32(squeeze(w)))]}
	}
	if len(digits) == 0 || !allDigits(digits) {
		return Network{}
	}
	low := [8]byte{'0', '0', '0', '0', '0', '0', '0', '0'}
	high := [8]byte{'9', '9', '9', '9', '9', '9', '9', '9'}
	copy(low[:], digits)
	copy(high[:], digits)
	at := rangeAt(uint32(squeeze(load(low[:]) ^ lanes30)))
	if rangeAt(uint32(squeeze(load(high[:])^lanes30))) != at {
		return Network{}
	}
	return Network{rangeRow[at]}
}

// networkAt looks eight digits up, given as eight nibbles.
func networkAt(bcd uint32) Network {
	e := rangeIndex[index(bcd)]
	if e>>8&0xFF == 1 {
		return Network{uint8(e)}
	}
	return Network{rangeRow[rangeIn(e, bcd)]}
}

// rangeAt returns the index of the range that holds eight digits.
func rangeAt(bcd uint32) uint32 { return rangeIn(rangeIndex[index(bcd)], bcd) }

// index returns the number that the first three of eight digits spell.
func index(bcd uint32) uint32 { return bcd>>28*100 + bcd>>24&15*10 + bcd>>20&15 }

// rangeIn returns the index of the range that holds eight digits, given what rangeIndex
// says of the first three: the ranges leave no gap, so it is the last that starts no
// later. Nibbles compare as the digits do.
func rangeIn(e, bcd uint32) uint32 {
	at, n := e>>16, e>>8&0xFF
	for n > 1 {
		half := n >> 1
		if rangeStart[at+half] <= bcd {
			at += half
		}
		n -= half
	}
	return at
}

// ID returns the network's short name, such as "visa" or "elo", and "" for the zero
// Network.
func (n Network) ID() string { return networkRows[n.row].id }

// Name returns the network's name as one writes it, such as "China UnionPay".
func (n Network) Name() string { return networkRows[n.row].name }

// String returns ID.
func (n Network) String() string { return n.ID() }

// Known reports whether n is a network at all.
func (n Network) Known() bool { return n.row != 0 }

// Brand returns the brand of the network's cards: BrandLocalOnly for local networks,
// BrandUnknown for the zero Network.
func (n Network) Brand() Brand { return networkRows[n.row].brand }

// Scheme returns the scheme that clears them: SchemeOther for local networks and for
// the zero Network.
func (n Network) Scheme() Scheme { return networkRows[n.row].scheme }

// LocalBrand returns the local brand as far as the range tells it; 0 if not.
func (n Network) LocalBrand() LocalBrand { return networkRows[n.row].local }

// CoBadge names the second brand that cards of this range carry, where a range is
// known to: "cartes_bancaires" or "visa_dankort". Most co-badges follow no public
// range, and "" does not mean that there is none.
func (n Network) CoBadge() string { return networkRows[n.row].coBadge }

// Lengths returns the lengths of numbers that the network uses; empty for the zero
// Network.
func (n Network) Lengths() Lengths { return networkRows[n.row].lengths }

// CVCLengths returns the lengths of its security codes; empty where it has none.
func (n Network) CVCLengths() Lengths { return networkRows[n.row].cvcLengths }

// Luhn returns whether its numbers have to pass the Luhn check; 0 for the zero Network.
func (n Network) Luhn() LuhnRule { return networkRows[n.row].luhn }

// Range is a run of numbers that share a network, by their first eight digits, both
// ends included: 0 to 99999999.
type Range struct{ First, Last uint32 }

// Ranges yields every range that belongs to a network, ascending and disjoint.
func Ranges() iter.Seq2[Range, Network] {
	return func(yield func(Range, Network) bool) {
		for i, row := range rangeRow {
			if row == 0 {
				continue
			}
			r := Range{decimal(rangeStart[i]), 99_999_999}
			if i+1 < len(rangeStart) {
				r.Last = decimal(rangeStart[i+1]) - 1
			}
			if !yield(r, Network{row}) {
				return
			}
		}
	}
}

// decimal turns eight nibbles into the number they spell.
func decimal(bcd uint32) (v uint32) {
	for shift := 28; shift >= 0; shift -= 4 {
		v = v*10 + bcd>>shift&15
	}
	return v
}
