package tokenize

import (
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/store"
)

// named is a brand as a caller named it; the zero value is none.
type named struct {
	brand card.Brand
	local card.LocalBrand
}

func nameBrand(text string) (n named, err error) {
	if text != "" {
		n.brand, n.local, err = card.ResolveBrand(text)
	}
	if n.brand == card.BrandUnknown {
		n.brand = 0
	}
	return n, err
}

// onto lays a caller's word over what the table says of a card's range. A range
// tells the international brand, and there the table has the last word, but for
// Maestro and Mastercard, which share a scheme and ranges: there the caller has. A
// local brand is mostly a second one that no range tells, so that the caller is
// believed unless the table knows another. What the table does not know at all is
// the caller's to say.
func (n named) onto(d *card.BINDetails) error {
	unknown := d.Brand == 0 || d.Brand == card.BrandUnknown
	switch {
	case n.brand == 0:
		return nil
	case n.brand != card.BrandLocalOnly:
		if !unknown && n.brand != d.Brand && n.brand.Scheme() != d.Scheme {
			return contradicts()
		}
		d.Brand, d.Scheme = n.brand, n.brand.Scheme()
		return nil
	case n.local == 0: // a local brand and no other, whichever
		if !unknown && d.Brand != card.BrandLocalOnly {
			return contradicts()
		}
	case d.LocalBrand == 0:
		d.LocalBrand = n.local
	case n.local != d.LocalBrand && n.local != card.LocalOther:
		return contradicts()
	}
	if unknown {
		d.Brand, d.Scheme = card.BrandLocalOnly, card.SchemeOther
	}
	return nil
}

func contradicts() *Error {
	return invalid(card.FieldBrand, Invalid, "is not the brand of the number's range")
}

// rename gives a row the brand that a request names for the card it holds already,
// and reports whether it is another.
func (r *Repository) rename(row *store.Row, p *prepared) (bool, error) {
	d := p.bins
	if !p.hasNumber {
		if d = r.tableOf(row); len(row.BIN) < minTableBIN {
			d = r.rangeOf(row) // too short to ask a table: what the row has stands for it
		}
		if err := p.named.onto(&d); err != nil {
			return false, err
		}
	}
	brand, local := row.Brand, row.Local // an earlier caller's word counts on
	if p.named.brand != card.BrandLocalOnly || brand == card.BrandUnknown.String() {
		brand = d.Brand.String()
	}
	if p.named.local != 0 {
		local = d.LocalBrand.String()
	}
	if row.Brand == brand && row.Local == local {
		return false, nil
	}
	row.Brand, row.Local = brand, local
	return true, nil
}
