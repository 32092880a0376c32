package tokenize_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// Many callers save the same new cards at once, one by one and in batches, through
// two processes: each card gets one token, and everybody that one.
func TestSameCardsFromMany(t *testing.T) {
	const callers, cards = 64, 50
	for _, g := range []tokenize.Generation{tokenize.RandomWithLuhn, tokenize.Preserve64, tokenize.UUID} {
		t.Run(g.String(), func(t *testing.T) {
			w := inMemory(t)
			r := w.repo(g, tokenize.UniqueCard)
			processes := []*tokenize.Repository{r, w.other(r)}
			var reqs [cards]tokenize.SaveRequest
			for i := range reqs {
				reqs[i] = tokenize.SaveRequest{Caller: me, Card: card.Details{Number: counted(t, i)}}
			}
			var got [callers][cards]string
			var errs [callers]error
			start := make(chan struct{})
			var wg sync.WaitGroup
			for c := range callers {
				wg.Go(func() {
					<-start
					r := processes[c%2]
					if c%8 == 7 {
						res, err := r.SaveBatch(t.Context(), reqs[:])
						errs[c] = err
						for i := range res {
							if res[i].Err != nil {
								errs[c] = res[i].Err
							}
							got[c][i] = res[i].Details.Token
						}
						return
					}
					for n := range cards {
						i := (n + c) % cards
						d, err := r.Save(t.Context(), reqs[i])
						if err != nil {
							errs[c] = err
							return
						}
						got[c][i] = d.Token
					}
				})
			}
			close(start)
			wg.Wait()
			for c := range callers {
				require.NoError(t, errs[c])
				require.Equal(t, got[0], got[c])
			}
			require.Len(t, w.all(r), cards)
			for i, token := range got[0] {
				require.True(t, w.reveal(r, token).Number.Equal(counted(t, i)), "card %d", i)
			}
		})
	}
}

// One key sent by many at once makes one token, where each save makes a new one.
func TestSameKeyFromMany(t *testing.T) {
	w := inMemory(t)
	r := w.repo(tokenize.Preserve64, tokenize.UniqueToken)
	var tokens [32]string
	var errs [32]error
	var wg sync.WaitGroup
	for c := range tokens {
		wg.Go(func() {
			d, err := r.Save(t.Context(), keyed(req(t, diners), "k1"))
			tokens[c], errs[c] = d.Token, err
		})
	}
	wg.Wait()
	for c := range tokens {
		require.NoError(t, errs[c])
		require.Equal(t, tokens[0], tokens[c])
	}
	require.Len(t, w.all(r), 1)
}

// Updates of one token by many are all carried out, one after the other: only a
// named version makes a conflict.
func TestUpdatesFromMany(t *testing.T) {
	w := inMemory(t)
	for _, g := range []tokenize.Generation{tokenize.UUID, tokenize.MerchantProvided} {
		r := w.repo(g, tokenize.UniqueCard)
		d := w.first(r, visa)
		var errs [16]error
		var wg sync.WaitGroup
		for c := range errs {
			wg.Go(func() {
				for year := range 10 {
					_, err := r.Update(t.Context(), tokenize.UpdateRequest{Caller: me, Token: d.Token,
						Card: card.Details{Expiry: card.Expiry{Month: 1 + c%12, Year: 2030 + year}}})
					if err != nil {
						errs[c] = err
					}
				}
			})
		}
		wg.Wait()
		for c := range errs {
			require.NoError(t, errs[c])
		}
		w.holds(r, d.Token, visa)
	}
}
