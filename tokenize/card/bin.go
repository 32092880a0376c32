package card

// CountryUnknown is the ISO 3166-1 alpha-3 code (user-assigned) for a country that no
// table knows.
const CountryUnknown = "ZZZ"

// BINDetails is what a BIN table knows of a range of numbers.
type BINDetails struct {
	Network    string // short name of the network, such as "elo"
	Brand      Brand
	Scheme     Scheme
	LocalBrand LocalBrand // 0: none known
	Issuer     string     // the issuer's name; "" unknown
	Country    string     // the issuer's country, ISO 3166-1 alpha-3
	Funding    Funding
	Variant    string // the product, in the table's words; "" unknown
	Currency   string // ISO 4217; "" unknown

	// What BASIC verification holds a number to. A table that knows nothing of them
	// leaves them empty.
	Lengths    Lengths
	CVCLengths Lengths
	Luhn       LuhnRule
}

// BINTable answers for the first eight digits of a number, and says false for a range
// it doesn't know. The embedding service may put its own in the place of BuiltinTable;
// it is called on the path of every save, from many goroutines at once, and should
// neither block nor keep or log the prefix. Fields it leaves at zero are completed by
// PAN.BINDetails.
type BINTable interface {
	LookUp(prefix Prefix) (BINDetails, bool)
}

// BuiltinTable is the table of networks in this package. It knows no issuers.
type BuiltinTable struct{}

// LookUp implements BINTable. It allocates nothing.
func (BuiltinTable) LookUp(prefix Prefix) (BINDetails, bool) {
	n := NetworkOf(prefix[:])
	return n.details(), n.Known()
}

// details returns what the built-in table says, with the explicit unknowns.
func (n Network) details() BINDetails {
	r := &networkRows[n.row]
	return BINDetails{
		Network: r.id, Brand: r.brand, Scheme: r.scheme, LocalBrand: r.local,
		Country: CountryUnknown, Funding: FundingUnknown,
		Lengths: r.lengths, CVCLengths: r.cvcLengths, Luhn: r.luhn,
	}
}

// FirstOf returns a table that asks the given ones in order and takes the first answer,
// so that a service's own table can stand before BuiltinTable.
func FirstOf(tables ...BINTable) BINTable { return firstOf(append([]BINTable(nil), tables...)) }

type firstOf []BINTable

func (f firstOf) LookUp(prefix Prefix) (BINDetails, bool) {
	for _, t := range f {
		if d, ok := t.LookUp(prefix); ok {
			return d, true
		}
	}
	return BINDetails{}, false
}

// BINDetails asks table, or the built-in one if table is nil, about p. Whether the
// range is known is the table's word alone, but what it leaves at zero is completed
// from the built-in table, and with the explicit unknowns (BrandUnknown, ZZZ and so
// on), so that no field of an enumeration is zero but LocalBrand. The zero PAN is not
// known.
func (p PAN) BINDetails(table BINTable) (BINDetails, bool) {
	own := p.Network().details()
	if table == nil || p.IsZero() {
		return own, own.Network != ""
	}
	return p.Prefix().asked(table, own)
}

// BINDetails is PAN.BINDetails for who has a number's first eight digits and not the
// number.
func (pre Prefix) BINDetails(table BINTable) (BINDetails, bool) {
	own := NetworkOf(pre[:]).details()
	if table == nil {
		return own, own.Network != ""
	}
	return pre.asked(table, own)
}

// asked asks table, and completes what it says from own, the built-in table's word.
func (pre Prefix) asked(table BINTable, own BINDetails) (BINDetails, bool) {
	d, ok := table.LookUp(pre)
	if !ok {
		return Network{}.details(), false
	}
	if d.Brand == 0 {
		// Brand and scheme go together: one of each table could contradict each other.
		d.Brand = own.Brand
		if d.Scheme == 0 {
			d.Scheme = own.Scheme
		}
	}
	if d.Scheme == 0 {
		d.Scheme = d.Brand.Scheme()
	}
	if d.Network == "" {
		d.Network = own.Network
	}
	if d.LocalBrand == 0 {
		d.LocalBrand = own.LocalBrand
	}
	if d.Country == "" {
		d.Country = CountryUnknown
	}
	if d.Funding == 0 {
		d.Funding = FundingUnknown
	}
	if d.Lengths == 0 {
		d.Lengths = own.Lengths
	}
	if d.CVCLengths == 0 {
		d.CVCLengths = d.Brand.CVCLengths()
	}
	if d.Luhn == 0 {
		d.Luhn = own.Luhn
	}
	return d, true
}
