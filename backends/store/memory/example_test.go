package memory_test

import (
	"context"
	"fmt"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/tokenize/store"
)

func Example() {
	ctx := context.Background()
	db := memory.New()
	defer db.Close()

	scope := store.ScopeID{1}
	row := store.Row{Scope: scope, Token: "9001", Status: store.Active}
	out, err := db.Cards().Write(ctx, []store.Write{{Row: row}}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(out[0].Result == store.Written)
	out, err = db.Cards().Write(ctx, []store.Write{{Row: row}}, nil)
	fmt.Println(out[0].Result == store.TokenTaken, err)
	// Output:
	// true
	// true <nil>
}

func ExampleCodes() {
	codes, err := memory.NewCodes(&memory.CodesOptions{Max: 10_000})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer codes.Close()
	fmt.Println(codes.CheckEphemeral(context.Background()))
	// Output: <nil>
}
