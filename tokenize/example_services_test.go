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

// bank stands for an acquirer: it declines one card.
type bank struct{}

func (bank) Verify(_ context.Context, q tokenize.VerifyRequest) (tokenize.Verified, error) {
	if q.Card.Number.LastFour() == "4444" {
		return tokenize.ExternalDeclined, nil
	}
	return tokenize.ExternalSuccessful, nil
}

// network stands for a network's token service.
type network struct{}

func (network) Act(_ context.Context, q tokenize.SchemeActionRequest) error {
	fmt.Println("told to", q.Action, q.Number)
	return nil
}

// exampleServices is a repository that makes use of both, and of a BIN table.
func exampleServices(ctx context.Context) (*tokenize.Repository, func() error) {
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), nil))
	v := must(tokenize.Open(ctx, db.Cards(), m, &tokenize.Options{
		Verifier: bank{}, TokenService: network{},
		BINTable: card.FirstOf(issuers{"411111": {Issuer: "First Bank", Country: "NLD", Funding: card.FundingDebit}}, card.BuiltinTable{}),
	}))
	repo := must(v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.MerchantProvided, Management: tokenize.UniqueCard,
		Verification: tokenize.Acquirer, SchemeTokens: true,
	}))
	for _, c := range []tokenize.Caller{shop, neighbourShop} {
		if err := v.AssignMerchant(ctx, c.Merchant, repo.Config().ID); err != nil {
			panic(err)
		}
	}
	return repo, m.Close
}

// Two merchants of that repository.
var (
	shop          = tokenize.Caller{Merchant: "M1", Permissions: tokenize.MayAll}
	neighbourShop = tokenize.Caller{Merchant: "M2", Permissions: tokenize.MayAll}
)

func ExampleVerifier() {
	ctx := context.Background()
	repo, done := exampleServices(ctx)
	defer done()
	d := must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Token: "one", Card: card.Details{
		Number: must(card.ParsePAN("4111111111111111")), Code: must(card.ParseCVC("123")), Currency: "EUR",
	}}))
	fmt.Println(d.Verified)
	_, err := repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Token: "two", Card: card.Details{
		Number: must(card.ParsePAN("5555555555554444")),
	}})
	if e, ok := errors.AsType[*tokenize.Error](err); ok {
		fmt.Println(e.Verified, errors.Is(err, tokenize.ErrVerification))
	}
	// Output:
	// EXTERNAL_VERIFICATION_SUCCESSFUL
	// EXTERNAL_VERIFICATION_DECLINED true
}

func ExampleRepository_BINDetails() {
	ctx := context.Background()
	repo, done := exampleServices(ctx)
	defer done()
	d := must(repo.Save(ctx, tokenize.SaveRequest{
		Caller: clerk, Token: "one", Brand: "CB", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))},
	}))
	b := must(repo.BINDetails(ctx, clerk, d.Token))
	fmt.Println(b.Brand, b.LocalBrand, b.Issuer, b.Country, b.Funding)
	// Output: VISA CARTE_BANCAIRE First Bank NLD DEBIT
}

func ExampleRepository_SetSchemeToken() {
	ctx := context.Background()
	repo, done := exampleServices(ctx)
	defer done()
	must(repo.Save(ctx, tokenize.SaveRequest{
		Caller: shop, Token: "one", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))},
	}))
	must(repo.SetSchemeToken(ctx, tokenize.SchemeTokenRequest{
		Caller: shop, Token: "one", Number: must(card.ParsePAN("4242424242424242")),
		Expiry: must(card.NewExpiry(12, 2030)), PAR: "5001A1BCDEFGHIJKLMNOPQRSTUVWX",
	}))
	s := must(repo.SchemeToken(ctx, shop, "one"))
	fmt.Println(s.Status, s.Expiry, s.PAR)
	fmt.Println(must(repo.SchemeToken(ctx, neighbourShop, "one")))
	// Output:
	// VALID 1230 5001A1BCDEFGHIJKLMNOPQRSTUVWX
	// {VALID  }
}

func ExampleRepository_ActOnSchemeToken() {
	ctx := context.Background()
	repo, done := exampleServices(ctx)
	defer done()
	must(repo.Save(ctx, tokenize.SaveRequest{
		Caller: shop, Token: "one", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))},
	}))
	must(repo.SetSchemeToken(ctx, tokenize.SchemeTokenRequest{
		Caller: shop, Token: "one", Number: must(card.ParsePAN("4242424242424242")),
	}))
	s := must(repo.ActOnSchemeToken(ctx, shop, "one", tokenize.SuspendScheme))
	fmt.Println(s.Status)
	_, err := repo.RevealSchemeToken(ctx, shop, "one", "payment")
	fmt.Println(err)
	// Output:
	// told to SUSPEND 424242xxxxxx4242
	// SUSPENDED
	// tokenize: REQUEST_REJECTED: schemeToken INVALID: is suspended
}

func ExampleRepository_RevealSchemeToken() {
	ctx := context.Background()
	repo, done := exampleServices(ctx)
	defer done()
	must(repo.Save(ctx, tokenize.SaveRequest{
		Caller: shop, Token: "one", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))},
	}))
	network := must(card.ParsePAN("4242424242424242"))
	must(repo.SetSchemeToken(ctx, tokenize.SchemeTokenRequest{Caller: shop, Token: "one", Number: network}))
	got := must(repo.RevealSchemeToken(ctx, shop, "one", "payment"))
	fmt.Println(got, got.Equal(network))
	// Output: 424242xxxxxx4242 true
}
