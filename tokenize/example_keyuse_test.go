package tokenize_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// A data key is destroyed once no card needs it: the census and the fence are the
// vault's and the card store's.
func ExampleVault_KeyInUse() {
	ctx := context.Background()
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), nil))
	defer m.Close()
	v := must(tokenize.Open(ctx, db.Cards(), m, nil))
	repo := must(v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard}))
	must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))}}))

	old := must(m.Records(ctx, keys.PAN))[0].ID
	must(m.Rotate(ctx, keys.PAN))
	_, err := m.Destroy(ctx, old, keys.DestroyOptions{CloseFence: db.Cards().CloseFence, Census: v.KeyInUse})
	_, early := errors.AsType[*keys.EarlyError](err)
	fmt.Println("early:", early)
	fmt.Println(must(v.KeyInUse(ctx, old)), "card needs it")
	// Output:
	// early: true
	// 1 card needs it
}

func ExampleVault_KeyUse() {
	ctx := context.Background()
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), nil))
	defer m.Close()
	v := must(tokenize.Open(ctx, db.Cards(), m, nil))
	repo := must(v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard}))
	must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))}}))
	for _, p := range []keys.Purpose{keys.PAN, keys.Index} {
		for _, r := range must(m.Records(ctx, p)) {
			use := must(v.KeyUse(ctx, r.ID))
			fmt.Println(p, use.Records, use.Repositories)
		}
	}
	// Output:
	// pan 1 []
	// index 0 [SHOP]
}
