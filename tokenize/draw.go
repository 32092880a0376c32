package tokenize

import (
	"context"
	"iter"
	"slices"
	"strings"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// drawToken appends a new token. That it is new is for the store to decide when
// it is written; only where tokens are few is the store asked before, since a
// whole batch is planned anew when one of its tokens is taken.
func (b *batch) drawToken(ctx context.Context, i int, dst []byte) ([]byte, error) {
	switch b.r.c.Generation {
	case RandomWithLuhn:
		return generate.AppendRandomWithLuhn(dst), nil
	case UUID:
		return generate.AppendUUID(dst), nil
	case Preserve64:
		return b.drawPreserve64(ctx, dst, b.reqs[i].Card.Number)
	case FF1:
		return b.computed(dst, i)
	}
	return nil, invalid("token", Missing, "has to be provided in this repository")
}

// drawPreserve64 tries random tokens of the card's space, then reads which are
// taken and draws from those that are not.
func (b *batch) drawPreserve64(ctx context.Context, dst []byte, pan card.PAN) ([]byte, error) {
	var digits [card.MaxLen]byte
	space, err := generate.Space64Of(pan.AppendDigits(digits[:0]))
	clear(digits[:])
	if err != nil {
		return nil, err
	}
	token := make([]string, 1)
	for range generate.MaxProbes {
		var buf [card.MaxLen]byte
		token[0] = string(space.AppendToken(buf[:0], space.Draw()))
		if _, taken := b.rows[token[0]]; taken {
			continue
		}
		rows, err := b.r.v.cards.Get(ctx, b.r.scope, token)
		if err != nil {
			return nil, err
		}
		if rows[0].Version == 0 {
			return append(dst, token[0]...), nil
		}
	}
	stored := b.r.v.cards.Ordered(ctx, b.r.scope, space.OrderPrefix())
	k, err := space.DrawFree(space.Middles(merge(stored, b.planned(space.OrderPrefix()))))
	if err != nil {
		return nil, err
	}
	return space.AppendToken(dst, k), nil
}

// planned lists the ordered columns of the tokens this batch is about to write.
func (b *batch) planned(prefix string) []string {
	var orders []string
	for i := range b.writes {
		if o := b.writes[i].Row.Order; strings.HasPrefix(o, prefix) {
			orders = append(orders, o)
		}
	}
	slices.Sort(orders)
	return orders
}

// merge yields the values of two ascending sequences in ascending order, each
// once.
func merge(stored iter.Seq2[string, error], planned []string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for s, err := range stored {
			if err != nil {
				yield("", err)
				return
			}
			for len(planned) > 0 && planned[0] <= s {
				p := planned[0]
				planned = planned[1:]
				if p != s && !yield(p, nil) {
					return
				}
			}
			if !yield(s, nil) {
				return
			}
		}
		for _, p := range planned {
			if !yield(p, nil) {
				return
			}
		}
	}
}
