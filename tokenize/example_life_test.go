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

// exampleToken is a repository with one token in it.
func exampleToken(ctx context.Context) (repo *tokenize.Repository, token string, done func() error) {
	repo, done = exampleRepository(ctx)
	d := must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Token: "one", Card: card.Details{
		Number: must(card.ParsePAN("4111111111111111")), Holder: "A HOLDER", Email: "holder@example.com",
	}}))
	return repo, d.Token, done
}

func ExampleRepository_Suspend() {
	ctx := context.Background()
	repo, token, done := exampleToken(ctx)
	defer done()
	d := must(repo.Suspend(ctx, clerk, token))
	_, err := repo.Reveal(ctx, clerk, token, "settlement")
	fmt.Println(d.Status, errors.Is(err, tokenize.ErrTokenSuspended))
	// Output: SUSPENDED true
}

// A version makes sure that nobody else decided in between.
func ExampleRepository_Activate() {
	ctx := context.Background()
	repo, token, done := exampleToken(ctx)
	defer done()
	d := must(repo.Suspend(ctx, clerk, token))
	_, err := repo.Activate(ctx, clerk, token, tokenize.ExpectVersion(d.Version-1))
	fmt.Println(errors.Is(err, tokenize.ErrConflict))
	fmt.Println(must(repo.Activate(ctx, clerk, token, tokenize.ExpectVersion(d.Version))).Status)
	// Output:
	// true
	// ACTIVE
}

// An account updater found that the card was replaced; its new expiry comes later.
func ExampleRepository_SetValid() {
	ctx := context.Background()
	repo, token, done := exampleToken(ctx)
	defer done()
	must(repo.SetValid(ctx, clerk, token, false))
	_, err := repo.Reveal(ctx, clerk, token, "settlement")
	fmt.Println(errors.Is(err, tokenize.ErrTokenInvalid))
	d := must(repo.Update(ctx, tokenize.UpdateRequest{
		Caller: clerk, Token: token, Card: card.Details{Expiry: must(card.NewExpiry(5, 2033))},
	}))
	fmt.Println(d.Valid)
	// Output:
	// true
	// true
}

func ExampleRepository_GetWithHolder() {
	ctx := context.Background()
	repo, token, done := exampleToken(ctx)
	defer done()
	d, holder, err := repo.GetWithHolder(ctx, clerk, token)
	fmt.Println(d.Masked, holder, err)
	// Output: 411111xxxxxx1111 A HOLDER <nil>
}

func ExampleClear() {
	ctx := context.Background()
	repo, token, done := exampleToken(ctx)
	defer done()
	must(repo.Update(ctx, tokenize.UpdateRequest{
		Caller: clerk, Token: token, Clear: tokenize.ClearHolder | tokenize.ClearTokenExpiry,
	}))
	full := must(repo.Reveal(ctx, clerk, token, "settlement"))
	fmt.Printf("%q %q\n", full.Holder, full.Email)
	// Output: "" "holder@example.com"
}

func ExampleParseDate() {
	ctx := context.Background()
	repo, token, done := exampleToken(ctx)
	defer done()
	d := must(repo.Update(ctx, tokenize.UpdateRequest{
		Caller: clerk, Token: token, TokenExpiry: must(tokenize.ParseDate("2020-02-29")),
	}))
	_, err := repo.Reveal(ctx, clerk, token, "settlement")
	fmt.Println(d.TokenExpiry, errors.Is(err, tokenize.ErrTokenExpired))
	// Output: 2020-02-29 true
}

func ExampleVault_AssignMerchant() {
	ctx := context.Background()
	v, done := exampleVault(ctx)
	defer done()
	repo := must(v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard,
	}))
	fmt.Println(v.AssignMerchant(ctx, "M1", "SHOP"))
	pan := must(card.ParsePAN("4111111111111111"))
	for _, merchant := range []string{"M1", "M2"} {
		c := tokenize.Caller{Merchant: merchant, Permissions: tokenize.MaySave}
		_, err := repo.Save(ctx, tokenize.SaveRequest{Caller: c, Card: card.Details{Number: pan}})
		fmt.Println(err)
	}
	fmt.Println(must(v.MerchantRepository(ctx, "M1")).Config().ID)
	// Output:
	// <nil>
	// <nil>
	// tokenize: REQUEST_REJECTED: merchant INVALID: merchant is not assigned to this repository
	// SHOP
}

// A test merchant uses the twin of a repository, which has a scope and keys of its
// own.
func ExampleVault_Repository() {
	ctx := context.Background()
	db, kek := memory.New(), keystest.NewKEK("example")
	m := must(keys.Open(ctx, db.Keys(), kek, nil))
	defer m.Close()
	test := must(keys.Open(ctx, db.Keys(), kek, &keys.Options{Environment: "test"}))
	defer test.Close()
	v := must(tokenize.Open(ctx, db.Cards(), m, &tokenize.Options{TestKeys: test}))
	repo := must(v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard,
	}))
	twin := must(v.Repository(ctx, "TestSHOP"))
	fmt.Println(twin.Config().ID, twin.Scope() == repo.Scope())
	fmt.Println(v.AssignMerchant(ctx, "TESTM1", "TestSHOP"))
	fmt.Println(v.AssignMerchant(ctx, "TESTM1", "SHOP"))
	// Output:
	// TestSHOP false
	// <nil>
	// tokenize: REQUEST_REJECTED: merchant INVALID: merchants whose IDs begin with TEST use test twins, and no others do
}

func ExampleVault_RepositoryByScope() {
	ctx := context.Background()
	v, done := exampleVault(ctx)
	defer done()
	repo := must(v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard,
	}))
	fmt.Println(must(v.RepositoryByScope(ctx, repo.Scope())).Config().ID)
	// Output: SHOP
}

// Long work finds out beforehand whether it may be done.
func ExampleRepository_Admit() {
	ctx := context.Background()
	repo, _, done := exampleToken(ctx)
	defer done()
	reader := tokenize.Caller{Permissions: tokenize.MayRead}
	fmt.Println(repo.Admit(ctx, reader, tokenize.MayRead))
	fmt.Println(errors.Is(repo.Admit(ctx, reader, tokenize.MaySave), tokenize.ErrPermission))
	// Output:
	// <nil>
	// true
}
