package tokenize

import (
	"context"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// BINDetails tells what is known of the range of a token's card: brand, issuer,
// the issuer's country, funding, variant and currency. It asks the vault's BIN table
// anew, with the leading digits that the row has in clear, and makes no KMS call.
// Network, brands and, where the card's was known, funding are what they were when
// the card was saved, a brand that the caller named included.
//
// A row has eight leading digits of most cards with 16, and six of the others.
// Where that is less than the table's eight, what holds for the whole range of six
// is told, and the rest is unknown; of cards with fewer than 14 digits nothing more
// than the row itself has.
func (r *Repository) BINDetails(ctx context.Context, c Caller, token string) (card.BINDetails, error) {
	if err := c.may(MayRead); err != nil {
		return card.BINDetails{}, err
	}
	row, err := r.row(ctx, token)
	if err != nil {
		return card.BINDetails{}, err
	}
	if row.Status == store.Deleted {
		return card.BINDetails{}, errDeleted()
	}
	return r.rangeOf(&row), nil
}

// rangeOf is the table's word on a row's range, under what the row itself has.
func (r *Repository) rangeOf(row *store.Row) card.BINDetails {
	d := r.tableOf(row)
	if row.Network != "" {
		d.Network = row.Network
	}
	// A name that a later version wrote is unknown here, and the table's stays.
	_ = d.Brand.UnmarshalText([]byte(row.Brand))
	d.Scheme = d.Brand.Scheme()
	_ = d.LocalBrand.UnmarshalText([]byte(row.Local))
	var f card.Funding
	if f.UnmarshalText([]byte(row.Funding)) == nil && f != card.FundingUnknown {
		d.Funding = f
	}
	return d
}

// minTableBIN is the shortest BIN that a table is asked about: shorter ones stand
// for thousands of ranges.
const minTableBIN = 6

// tableOf asks the table about every eight digits that a row's BIN may stand for.
func (r *Repository) tableOf(row *store.Row) card.BINDetails {
	var d card.BINDetails
	var p card.Prefix
	if n := copy(p[:], row.BIN); n >= minTableBIN {
		for i := n; i < len(p); i++ {
			p[i] = '0'
		}
		d, _ = p.BINDetails(r.v.o.BINTable)
		for nextPrefix(p[n:]) {
			next, _ := p.BINDetails(r.v.o.BINTable)
			keepCommon(&d, &next)
		}
	}
	if d.Brand == 0 {
		d.Brand, d.Scheme = card.BrandUnknown, card.SchemeOther
	}
	if d.Country == "" {
		d.Country = card.CountryUnknown
	}
	if d.Funding == 0 {
		d.Funding = card.FundingUnknown
	}
	return d
}

// nextPrefix counts digits up by one, and says false behind the last.
func nextPrefix(digits []byte) bool {
	for i := len(digits) - 1; i >= 0; i-- {
		if digits[i]++; digits[i] <= '9' {
			return true
		}
		digits[i] = '0'
	}
	return false
}

// keepCommon keeps of d what other says as well.
func keepCommon(d, other *card.BINDetails) {
	keep(&d.Network, other.Network)
	keep(&d.Brand, other.Brand)
	keep(&d.Scheme, other.Scheme)
	keep(&d.LocalBrand, other.LocalBrand)
	keep(&d.Issuer, other.Issuer)
	keep(&d.Country, other.Country)
	keep(&d.Funding, other.Funding)
	keep(&d.Variant, other.Variant)
	keep(&d.Currency, other.Currency)
	keep(&d.Lengths, other.Lengths)
	keep(&d.CVCLengths, other.CVCLengths)
	keep(&d.Luhn, other.Luhn)
}

func keep[T comparable](v *T, other T) {
	if *v != other {
		var none T
		*v = none
	}
}
