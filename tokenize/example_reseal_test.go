package tokenize_test

import (
	"context"
	"fmt"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// After a rotation the earlier key is needed until what it sealed was sealed anew.
func ExampleRepository_Reseal() {
	ctx := context.Background()
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), nil))
	defer m.Close()
	v := must(tokenize.Open(ctx, db.Cards(), m, nil))
	repo := must(v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard}))
	must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))}}))
	old := must(m.Records(ctx, keys.PAN))[0].ID
	must(m.Rotate(ctx, keys.PAN))

	p := must(repo.Reseal(ctx, tokenize.ResealOptions{
		Caller: clerk, RowsPerSecond: 10_000,
		OnLeft: func(token string, err error) { fmt.Println(token, "is left:", err) },
	}))
	fmt.Println(p.Done, p.Changed, must(v.KeyUse(ctx, old)).Records)
	// Output: true 1 0
}
