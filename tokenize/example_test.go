package tokenize_test

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

// must is for examples alone.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// exampleVault stands for a service's own set-up, with a KMS and a durable store.
func exampleVault(ctx context.Context) (*tokenize.Vault, func() error) {
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), nil))
	return must(tokenize.Open(ctx, db.Cards(), m, nil)), m.Close
}

// exampleRepository is one whose tokens the caller makes, so that outputs stay the
// same.
func exampleRepository(ctx context.Context) (*tokenize.Repository, func() error) {
	v, done := exampleVault(ctx)
	return must(v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.MerchantProvided, Management: tokenize.UniqueCard,
	})), done
}

var clerk = tokenize.Caller{Owner: "clerk", Permissions: tokenize.MayAll}

func Example() {
	ctx := context.Background()
	v, done := exampleVault(ctx)
	defer done()
	repo := must(v.EnsureRepository(ctx, tokenize.Config{
		ID: "SHOP", Generation: tokenize.RandomWithLuhn, Management: tokenize.UniqueCard,
	}))
	pan := must(card.ParsePAN("4111111111111111"))
	d := must(repo.Save(ctx, tokenize.SaveRequest{
		Caller: clerk, IdempotencyKey: "r7", Card: card.Details{Number: pan},
	}))
	fmt.Println(len(d.Token), d.Token[0] == '9', d.Outcome, d.Brand, d.Masked)
	full := must(repo.Reveal(ctx, clerk, d.Token, "settlement"))
	fmt.Println(full.Number.Equal(pan))
	// Output:
	// 16 true created VISA 411111xxxxxx1111
	// true
}

func ExampleVault_EnsureRepository() {
	ctx := context.Background()
	v, done := exampleVault(ctx)
	defer done()
	c := tokenize.Config{ID: "SHOP", Generation: tokenize.Preserve64, Management: tokenize.UniqueCard}
	repo := must(v.EnsureRepository(ctx, c))
	fmt.Println(repo.Config().Verification, repo.Config().Masking)
	c.Management = tokenize.UniqueToken
	_, err := v.EnsureRepository(ctx, c)
	fmt.Println(errors.Is(err, tokenize.ErrConfig))
	// Output:
	// BASIC 6.4
	// true
}

func ExampleRepository_SaveBatch() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	results := must(repo.SaveBatch(ctx, []tokenize.SaveRequest{
		{Caller: clerk, Token: "one", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))}},
		{Caller: clerk, Token: "two", Card: card.Details{Number: must(card.ParsePAN("4111111111111112"))}},
		{Caller: clerk, Token: "three", Card: card.Details{Number: must(card.ParsePAN("378282246310005"))}},
	}))
	for _, res := range results {
		if res.Err != nil {
			fmt.Println(res.Err.Field, res.Err.Kind)
			continue
		}
		fmt.Println(res.Details.Token, res.Details.Brand)
	}
	// Output:
	// one VISA
	// number INVALID
	// three AMEX
}

func ExampleRepository_Update() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	pan := must(card.ParsePAN("4111111111111111"))
	must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Token: "one", Card: card.Details{Number: pan}}))
	d := must(repo.Update(ctx, tokenize.UpdateRequest{
		Caller: clerk, Token: "one", ExpectVersion: 1,
		Card: card.Details{Expiry: must(card.NewExpiry(12, 2031))},
	}))
	fmt.Println(d.Outcome, d.Expiry, d.Version)
	// Output: updated 1231 2
}

func ExampleRepository_Delete() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	pan := must(card.ParsePAN("4111111111111111"))
	must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Token: "one", Card: card.Details{Number: pan}}))
	fmt.Println(repo.Delete(ctx, clerk, "one"))
	fmt.Println(must(repo.Get(ctx, clerk, "one")).Status)
	_, err := repo.Reveal(ctx, clerk, "one", "settlement")
	fmt.Println(errors.Is(err, tokenize.ErrTokenDeleted))
	// Output:
	// <nil>
	// DELETED
	// true
}

func ExampleRepository_RevealBatch() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	pan := must(card.ParsePAN("4111111111111111"))
	must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Token: "one", Card: card.Details{Number: pan}}))
	for _, r := range must(repo.RevealBatch(ctx, clerk, []string{"one", "nobody"}, "settlement")) {
		fmt.Println(r.Card.Number, r.Err)
	}
	// Output:
	// 411111xxxxxx1111 <nil>
	//  tokenize: INVALID_REQUEST: token INVALID: does not exist in this repository
}

func ExampleRepository_Each() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	for token, digits := range map[string]string{"b": "4111111111111111", "a": "378282246310005"} {
		must(repo.Save(ctx, tokenize.SaveRequest{Caller: clerk, Token: token, Card: card.Details{Number: must(card.ParsePAN(digits))}}))
	}
	err := repo.Each(ctx, clerk, "", func(d tokenize.Details) bool {
		fmt.Println(d.Token, d.Masked)
		return true
	})
	fmt.Println(err)
	// Output:
	// a 378282xxxxx0005
	// b 411111xxxxxx1111
	// <nil>
}

// A bulk job that dies goes on where its last step ended.
func ExampleRepository_SaveStep() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	file := "one,4111111111111111\ntwo,378282246310005\n"
	job := must(repo.JobOf(ctx, clerk, "import cards.csv", strings.NewReader(file)))
	must(repo.SaveStep(ctx, job, []byte("line 1"), []tokenize.SaveRequest{
		{Caller: clerk, Token: "one", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))}},
	}))
	// Another process, later.
	last, ok, err := repo.LastStep(ctx, clerk, job)
	fmt.Println(string(last.Cursor), last.Rows[0].Token, ok, err)
	fmt.Println(repo.EndJob(ctx, clerk, job))
	// Output:
	// line 1 one true <nil>
	// <nil>
}

func ExampleRepository_Reindex() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	must(repo.Save(ctx, tokenize.SaveRequest{
		Caller: clerk, Token: "A1", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))},
	}))
	before := must(repo.IndexStatus(ctx))
	p := must(repo.Reindex(ctx, tokenize.ReindexOptions{
		Caller: clerk, NewKey: true, RowsPerSecond: 10_000,
		OnLeft: func(token string, err error) { fmt.Println(token, "stands in the way:", err) },
	}))
	fmt.Println(p.Done, p.Changed, p.Key != before.Key)
	after := must(repo.IndexStatus(ctx))
	fmt.Println(after.Phase, after.Key == p.Key)
	// Output:
	// true 2 true
	// settled true
}

func ExampleParseIndexStatus() {
	ctx := context.Background()
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), nil))
	defer m.Close()
	v := must(tokenize.Open(ctx, db.Cards(), m, nil))
	must(v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: tokenize.UUID, Management: tokenize.UniqueCard}))
	for _, r := range must(db.Cards().Repositories(ctx)) {
		st := must(tokenize.ParseIndexStatus(r.State))
		fmt.Println(r.Name, "needed an index key yet:", !st.Key.IsZero())
	}
	// Output:
	// SHOP needed an index key yet: false
}

func ExampleRepository_IndexStatus() {
	ctx := context.Background()
	repo, done := exampleRepository(ctx)
	defer done()
	fmt.Println(must(repo.IndexStatus(ctx)).Key.IsZero())
	must(repo.Save(ctx, tokenize.SaveRequest{
		Caller: clerk, Token: "A1", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))},
	}))
	st := must(repo.IndexStatus(ctx))
	fmt.Println(st.Phase, st.Key == st.Digests[0])
	// Output:
	// true
	// settled true
}
