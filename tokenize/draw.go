package tokenize

import (
	"context"

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
