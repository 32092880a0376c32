package tokenize_test

import (
	"context"
	"fmt"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// A token for payments, and one by which a warehouse may count what a card buys.
func ExampleTokenType() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	q := tokenize.SaveRequest{
		Caller: clerk, Token: "order7", Types: tokenize.ReuseAndAnalytics,
		Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))},
	}
	both := must(repo.Save(ctx, q))
	q.Token, q.Types = "", tokenize.Analytics
	alone := must(repo.Save(ctx, q))
	fmt.Println(both.Token, len(both.Analytics), both.Analytics == alone.Analytics)
	fmt.Printf("%q %v\n", alone.Token, alone.Outcome)
	// Output:
	// order7 36 true
	// "" computed
}

// A branch without the row gives a number back, if the caller may.
func ExampleRepository_RevealVaultless() {
	ctx := context.Background()
	v, done := exampleVault(ctx)
	defer done()
	repo := must(v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.FF1, Management: tokenize.UniqueCard,
	}))
	pan := must(card.ParsePAN("4111111111111111"))
	d := must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Card: card.Details{Number: pan}}))
	fmt.Println(d.Token[:6], d.Token[12:], card.Luhn([]byte(d.Token)))
	number := must(repo.RevealVaultless(ctx, clerk, d.Token, "settlement"))
	fmt.Println(number.Equal(pan))

	few := clerk
	few.Permissions = tokenize.MayReveal
	_, err := repo.RevealVaultless(ctx, few, d.Token, "settlement")
	fmt.Println(err)
	// Output:
	// 411111 1111 false
	// true
	// tokenize: REQUEST_REJECTED: caller INVALID: caller lacks the permission
}

func ExampleRepository_RevealVaultlessBatch() {
	ctx := context.Background()
	v, done := exampleVault(ctx)
	defer done()
	repo := must(v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.FF1, Management: tokenize.UniqueCard,
	}))
	pan := must(card.ParsePAN("4111111111111111"))
	d := must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Card: card.Details{Number: pan}}))
	out := must(repo.RevealVaultlessBatch(ctx, clerk, []string{d.Token, "4111111111111111"}, "settlement"))
	fmt.Println(out[0].Card.Number.Equal(pan), out[1].Err)
	// Output: true tokenize: INVALID_REQUEST: token INVALID: does not exist in this repository
}

func ExampleParsePinnedKeys() {
	pins, err := tokenize.ParsePinnedKeys(nil) // store.Repository.State of a new repository
	fmt.Println(len(pins), err)
	// Output: 0 <nil>
}
