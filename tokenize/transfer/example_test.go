package transfer_test

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"iter"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// exampleRepository is a repository in a vault of its own.
func exampleRepository(ctx context.Context, g tokenize.Generation) *tokenize.Repository {
	db := memory.New()
	m := must(keys.Open(ctx, db.Keys(), keystest.NewKEK("example"), nil))
	v := must(tokenize.Open(ctx, db.Cards(), m, nil))
	return must(v.EnsureRepository(ctx, tokenize.Config{ID: "SHOP", Generation: g, Management: tokenize.UniqueCard}))
}

// A table of another vault, which seals card numbers with AES-GCM under the token.
type table []struct {
	id, token string
	sealed    []byte
}

func (t table) Records(ctx context.Context, after []byte) iter.Seq2[transfer.Record, error] {
	return func(yield func(transfer.Record, error) bool) {
		for _, row := range t { // of a database: SELECT … WHERE id > after ORDER BY id
			if row.id <= string(after) {
				continue
			}
			r := transfer.Record{Position: []byte(row.id), Token: row.token, Sealed: row.sealed, Bound: []byte(row.token)}
			if ctx.Err() != nil || !yield(r, nil) {
				return
			}
		}
	}
}

type gcm struct{ aead cipher.AEAD }

func (g gcm) Open(_ context.Context, r *transfer.Record) (card.Details, error) {
	digits, err := g.aead.Open(nil, nil, r.Sealed, r.Bound)
	if err != nil {
		return card.Details{}, transfer.ErrOpen
	}
	defer clear(digits)
	pan, err := card.ParsePAN(digits)
	return card.Details{Number: pan}, err
}

// Cards of a foreign vault keep their tokens.
func ExampleImport() {
	ctx := context.Background()
	repo := exampleRepository(ctx, tokenize.MerchantProvided)
	aead := must(cipher.NewGCMWithRandomNonce(must(aes.NewCipher(make([]byte, 32)))))
	old := table{
		{"001", "tok1", aead.Seal(nil, nil, []byte("4111111111111111"), []byte("tok1"))},
		{"002", "tok2", aead.Seal(nil, nil, []byte("5555555555554444"), []byte("tok3"))},
	}
	report, err := transfer.Import(ctx, repo, me, "old vault, table of 1 March", old, &transfer.ImportOptions{
		Opener: gcm{aead},
		Results: func(_ context.Context, batch []transfer.Result) error {
			for _, r := range batch {
				if r.Err != nil {
					fmt.Printf("%s: %v\n", r.Position, r.Err)
				}
			}
			return nil
		},
	})
	fmt.Println(report.Records, report.Refused, err)
	fmt.Println(must(repo.Get(ctx, me, "tok1")).Masked)
	// Output:
	// 002: tokenize: INVALID_REQUEST: sealed INVALID: does not open
	// 2 1 <nil>
	// 411111xxxxxx1111
}

type printer struct{}

func (printer) Write(_ context.Context, batch []transfer.Exported) error {
	for _, x := range batch {
		fmt.Println(x.Details.Token, x.Card.Number, x.Err != nil)
	}
	return nil
}

func ExampleExport() {
	ctx := context.Background()
	repo := exampleRepository(ctx, tokenize.MerchantProvided)
	for token, digits := range map[string]string{"one": "4111111111111111", "two": "5555555555554444"} {
		must(repo.Save(ctx, tokenize.SaveRequest{Caller: me, Token: token, Card: card.Details{Number: must(card.ParsePAN(digits))}}))
	}
	must(repo.Suspend(ctx, me, "two"))
	report := must(transfer.Export(ctx, repo, me, "archive", printer{}, &transfer.ExportOptions{Reason: "archive"}))
	fmt.Println(report.Records, report.Refused)
	// Output:
	// one 411111xxxxxx1111 false
	// two  true
	// 2 1
}

// A move to another vault, which makes tokens of its own.
func ExampleFrom() {
	ctx := context.Background()
	old, repo := exampleRepository(ctx, tokenize.MerchantProvided), exampleRepository(ctx, tokenize.UUID)
	must(old.Save(ctx, tokenize.SaveRequest{Caller: me, Token: "one", Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))}}))
	renamed := map[string]string{} // durable, in earnest
	report := must(transfer.Import(ctx, repo, me, "move", transfer.From(old, me, "move"), &transfer.ImportOptions{
		NewTokens: true,
		Results: func(_ context.Context, batch []transfer.Result) error {
			for _, r := range batch {
				renamed[string(r.Position)] = r.Token
			}
			return nil
		},
	}))
	fmt.Println(report.Records, len(renamed["one"]))
	// Output: 1 36
}

// An import that is to begin anew is forgotten first.
func ExampleForget() {
	ctx := context.Background()
	repo := exampleRepository(ctx, tokenize.UUID)
	one := &list{records: []transfer.Record{{Position: row(1), Card: card.Details{Number: must(card.ParsePAN("4111111111111111"))}}}}
	for range 2 {
		fmt.Println(must(transfer.Import(ctx, repo, me, "job", one, nil)).Records)
	}
	fmt.Println(transfer.Forget(ctx, repo, me, "job"))
	// Output:
	// 1
	// 1
	// <nil>
}

// A KMS that is away is no reason to pass over a token.
func ExampleOutage() {
	fmt.Println(transfer.Outage(&tokenize.Error{Cause: tokenize.ServerBusy, SupportCode: "KMS_UNAVAILABLE"}))
	fmt.Println(transfer.Outage(&tokenize.Error{Cause: tokenize.RequestRejected, SupportCode: "SUSPENDED"}))
	// Output:
	// true
	// false
}
