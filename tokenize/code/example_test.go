package code_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
)

// exampleToken stands for a service's own set-up, with a KMS and durable stores, and a
// saved card.
func exampleToken(ctx context.Context, o *tokenize.Options, c tokenize.Config) (*tokenize.Repository, string) {
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), nil))
	v := must(tokenize.Open(ctx, db.Cards(), m, o))
	c.ID, c.Generation, c.Management = "SHOP", tokenize.RandomWithLuhn, tokenize.UniqueCard
	repo := must(v.EnsureRepository(ctx, c))
	d := must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))}}))
	return repo, d.Token
}

var clerk = tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayAll}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A merchant's code is kept until the payment is authorized.
func Example() {
	ctx := context.Background()
	repo, token := exampleToken(ctx, nil, tokenize.Config{})
	t := must(code.OpenTransient(ctx, must(memory.NewCodes(nil)), keystest.NewKEK("example"), &code.TransientOptions{
		TTL: 10 * time.Minute,
	}))
	defer t.Close()
	codes := must(code.Open(ctx, repo, t, nil))
	defer codes.Close()

	if err := codes.Put(ctx, clerk, code.Owner{}, token, must(card.ParseCVC("123"))); err != nil {
		panic(err)
	}
	got, err := codes.Retrieve(ctx, clerk, code.Owner{}, token) // for the authorization
	fmt.Println(got, err)
	fmt.Println(codes.Authorized(ctx, clerk, code.Owner{}, token))
	_, err = codes.Retrieve(ctx, clerk, code.Owner{}, token)
	fmt.Println(errors.Is(err, tokenize.ErrTokenNotFound))
	fmt.Println("nothing opens it after", t.Forgets())
	// Output:
	// card.CVC(hidden) <nil>
	// <nil>
	// true
	// nothing opens it after 35m0s
}

// An issuer draws the code of a card and has candidates compared with it.
func ExampleIssuer() {
	ctx := context.Background()
	durable := must(memory.NewCodes(nil)) // stands for a durable store
	repo, token := exampleToken(ctx, &tokenize.Options{IssuerCodes: durable}, tokenize.Config{IssuerCodes: true})
	codes := must(code.Open(ctx, repo, code.Issuer{}, &code.Options{Tries: 2}))
	defer codes.Close()

	if err := codes.Allocate(ctx, clerk, token); err != nil {
		panic(err)
	}
	right := must(codes.Retrieve(ctx, clerk, code.Owner{}, token))
	wrong := must(card.ParseCVC("0000")) // Visa has three digits
	for _, candidate := range []card.CVC{right, wrong, wrong, right} {
		left, err := codes.Verify(ctx, clerk, code.Owner{}, token, candidate, code.Card)
		fmt.Println(left.Left, errors.Is(err, code.ErrWrong), errors.Is(err, code.ErrBlocked))
	}
	fmt.Println(codes.Unblock(ctx, clerk, code.Owner{}, token, code.GooglePay))
	fmt.Println(must(codes.Status(ctx, clerk, code.Owner{}, token)).Counters[0])
	// Output:
	// 2 false false
	// 1 true false
	// 0 true false
	// 0 false true
	// <nil>
	// {card Unblocked 2}
}

// The report tells of epochs from the receipts of their destruction.
func ExampleTransient_Erasures() {
	ctx := context.Background()
	repo, token := exampleToken(ctx, nil, tokenize.Config{})
	t := must(code.OpenTransient(ctx, must(memory.NewCodes(nil)), keystest.NewKEK("example"), nil))
	defer t.Close()
	codes := must(code.Open(ctx, repo, t, nil))
	defer codes.Close()
	if err := codes.Put(ctx, clerk, code.Owner{}, token, must(card.ParseCVC("123"))); err != nil {
		panic(err)
	}
	var receipts []keys.Receipt // from the verified audit log
	for _, e := range must(t.Erasures(ctx, receipts...)) {
		fmt.Println(e.State, e.Codes, e.Receipt != nil)
	}
	// Output: active 1 false
}
