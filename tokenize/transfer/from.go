package transfer

import (
	"context"
	"iter"

	"github.com/cardseal/cardseal/tokenize"
)

// From is another repository, of this vault or another, as a [Source]: card by card
// with number, expiry, holder and e-mail, token and its last day. Positions are
// tokens. Each card is revealed for the reason, with all that Reveal says of it; one that
// is not given (its token is suspended, say) is a record that is refused. The
// caller is that of the other repository and needs MayRead and MayReveal.
func From(repo *tokenize.Repository, caller tokenize.Caller, reason string) Source {
	return &from{repo, caller, reason}
}

type from struct {
	repo   *tokenize.Repository
	caller tokenize.Caller
	reason string
}

// fromPage is how many cards are revealed together.
const fromPage = 500

func (f *from) Records(ctx context.Context, after []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		if f.reason == "" {
			yield(Record{}, invalid("reason", tokenize.Missing, "is needed"))
			return
		}
		last := string(after)
		for {
			batch, err := page(ctx, f.repo, f.caller, last, f.reason, fromPage)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for i := range batch {
				x := &batch[i]
				r := Record{Position: []byte(x.Details.Token), Card: x.Card, Token: x.Details.Token, TokenExpiry: x.Details.TokenExpiry}
				if x.Err != nil {
					r.Err = x.Err
				}
				if !yield(r, nil) {
					return
				}
			}
			if len(batch) < fromPage {
				return
			}
			last = batch[len(batch)-1].Details.Token
			clear(batch)
		}
	}
}
