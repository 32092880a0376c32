package brandgen

import (
	"fmt"
	"slices"
)

// row is what package card knows of a range: one element of networkRows.
type row struct {
	id, name, brand, local, coBadge string
	lengths, cvcLengths             uint32
	luhn                            string
}

// table is the outcome: the ranges that start at starts and reach to the next start,
// each with its row. Neighbours differ in their row.
type table struct {
	rows   []row
	starts []int
	rowOf  []int
}

// network is a row together with where it applies.
type network struct {
	row
	spans      []span
	only       []span // where extra lengths apply
	onlyLength uint32
}

type coBadge struct {
	id, local string
	spans     []span
}

func build(b *brandFile, o *overlayFile) (*table, error) {
	nets, err := networks(b, o)
	if err != nil {
		return nil, err
	}
	badges, err := coBadges(b, o)
	if err != nil {
		return nil, err
	}

	// The answer can only change where some range starts or has just ended.
	cuts := []int{0}
	cut := func(ss []span) {
		for _, s := range ss {
			cuts = append(cuts, s.from, s.to)
		}
	}
	for _, n := range nets {
		cut(n.spans)
		cut(n.only)
	}
	for _, c := range badges {
		cut(c.spans)
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)

	unknown := row{brand: "BrandUnknown"}
	t := &table{rows: []row{unknown}}
	for _, at := range cuts {
		if at >= all {
			break
		}
		r := unknown
		if n := longest(nets, at); n != nil {
			r = n.row
			if !anyHas(n.only, at) {
				r.lengths &^= n.onlyLength
			}
			for _, c := range badges {
				if anyHas(c.spans, at) {
					r.coBadge, r.local = c.id, c.local
				}
			}
		}
		i := slices.Index(t.rows, r)
		if i < 0 {
			i = len(t.rows)
			t.rows = append(t.rows, r)
		}
		if len(t.rowOf) == 0 || t.rowOf[len(t.rowOf)-1] != i {
			t.starts, t.rowOf = append(t.starts, at), append(t.rowOf, i)
		}
	}
	if len(t.rows) > 256 {
		return nil, fmt.Errorf("%d rows don't fit into a byte", len(t.rows))
	}
	return t, nil
}

// longest returns the network whose range holds v with the longest prefix, of several
// the one listed first.
func longest(nets []network, v int) (best *network) {
	digits := 0
	for i := range nets {
		for _, s := range nets[i].spans {
			if s.has(v) && s.digits > digits {
				best, digits = &nets[i], s.digits
			}
		}
	}
	return best
}

func networks(b *brandFile, o *overlayFile) ([]network, error) {
	luhn := map[string]string{"true": "LuhnRequired", "either": "LuhnOptional"}
	var nets []network
	for _, e := range b.Brands {
		over, ok := o.Networks[e.ID]
		if !ok || luhn[e.Luhn] == "" {
			return nil, fmt.Errorf("network %s: no overlay, or no rule for luhn %q", e.ID, e.Luhn)
		}
		ss, err := spans(e.PrefixRanges)
		if err != nil {
			return nil, fmt.Errorf("network %s: %w", e.ID, err)
		}
		n := network{spans: ss, row: row{
			id: e.ID, name: e.Name, brand: over.Brand, local: over.Local,
			lengths: bits(e.Lengths), cvcLengths: bits(e.CVCLengths), luhn: luhn[e.Luhn],
		}}
		for _, l := range o.Lengths {
			if l.Network != e.ID {
				continue
			}
			if n.only, err = spans(l.Ranges); err != nil {
				return nil, fmt.Errorf("network %s: %w", e.ID, err)
			}
			n.onlyLength = bits(l.Only)
		}
		nets = append(nets, n)
	}
	if len(nets) != len(o.Networks) {
		return nil, fmt.Errorf("%d networks, but %d in the overlay", len(nets), len(o.Networks))
	}
	return nets, nil
}

// coBadges returns those co-badges that follow a range.
func coBadges(b *brandFile, o *overlayFile) (out []coBadge, err error) {
	for _, e := range b.CoBadges {
		over, listed := o.CoBadges[e.ID]
		ss, err := spans(slices.Concat(e.PureRanges, over.Ranges))
		if err != nil {
			return nil, fmt.Errorf("co-badge %s: %w", e.ID, err)
		}
		if (len(ss) > 0) != listed {
			return nil, fmt.Errorf("co-badge %s: ranges and overlay don't agree", e.ID)
		}
		if listed {
			out = append(out, coBadge{e.ID, over.Local, ss})
		}
	}
	return out, nil
}

func bits(lengths []int) (m uint32) {
	for _, n := range lengths {
		m |= 1 << n
	}
	return m
}
