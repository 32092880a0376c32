package generate_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/generate"
)

func ExampleAppendRandomWithLuhn() {
	token := generate.AppendRandomWithLuhn(nil)
	fmt.Println(len(token), string(token[:1]), card.Luhn(token))
	// Output: 16 9 true
}

func ExampleIsRandomWithLuhn() {
	fmt.Println(generate.IsRandomWithLuhn("9000000000000001"))
	fmt.Println(generate.IsRandomWithLuhn("9792030000000000")) // a Troy card
	// Output:
	// true
	// false
}

func ExampleAppendPreserve64() {
	token, err := generate.AppendPreserve64(nil, []byte("4242424242424242"))
	if err != nil {
		panic(err)
	}
	fmt.Println(string(token[:6]), string(token[12:]), card.Luhn(token))

	_, err = generate.AppendPreserve64(nil, []byte("4917610000000"))
	fmt.Println(err, errors.Is(err, generate.ErrTooShort))
	// Output:
	// 424242 4242 false
	// generate: number has fewer than 14 digits true
}

func ExampleAppendUUID() {
	token := string(generate.AppendUUID(nil))
	fmt.Println(len(token), generate.IsUUID(token))
	// Output: 36 true
}

func ExampleCheckMerchantToken() {
	pan := []byte("4242424242424242")
	fmt.Println(generate.CheckMerchantToken("order7", pan, nil))
	fmt.Println(generate.CheckMerchantToken("x4242424242424242", pan, nil))
	fmt.Println(generate.CheckMerchantToken("378282246310005", pan, nil))
	// Output:
	// <nil>
	// generate: token would put a card number where a token belongs
	// generate: token would put a card number where a token belongs
}

// A store finds the tokens of a space with one scan of its ordered column.
func ExampleSpace64_DrawFree() {
	ordered := func(ctx context.Context, prefix string) iter.Seq2[string, error] {
		return func(yield func(string, error) bool) { // stands for the store
			_ = yield(prefix+"0000", nil) && yield(prefix+"0001", nil)
		}
	}
	ctx := context.Background()
	space, err := generate.Space64Of([]byte("36227206271667"))
	if err != nil {
		panic(err)
	}
	k, err := space.DrawFree(space.Middles(ordered(ctx, space.OrderPrefix())))
	if err != nil {
		panic(err) // ErrExhausted, or the store's own
	}
	token := string(space.AppendToken(nil, k))
	fmt.Println(space.Size(), generate.Valid(generate.Preserve64, token), space.Middle(k) > "0001")
	// Output: 9000 true true
}

func ExampleNewSpace64() {
	s, err := generate.NewSpace64("362272", "1667", 14)
	if err != nil {
		panic(err)
	}
	k, ok := s.Rank("0627") // passes Luhn, as the card does
	fmt.Println(k, ok)
	k, ok = s.Rank("0628")
	fmt.Println(k, ok, s.Middle(k))
	// Output:
	// 0 false
	// 565 true 0628
}

func ExampleOrder() {
	order, ok := generate.Order("36227206281667")
	fmt.Println(order, ok)
	token, ok := generate.FromOrder(order)
	fmt.Println(token, ok)
	// Output:
	// 3622721667140628 true
	// 36227206281667 true
}

func ExampleParseStrategy() {
	s, err := generate.ParseStrategy("PRESERVE_6_4")
	fmt.Println(s, err)
	_, err = generate.ParseStrategy("preserve_6_4")
	fmt.Println(err)
	// Output:
	// PRESERVE_6_4 <nil>
	// generate: unknown generation strategy
}

func ExampleValid() {
	fmt.Println(generate.Valid(generate.Preserve64, "4242424242424242")) // a card number, not a token
	fmt.Println(generate.Valid(generate.UUID, "919108f7-52d1-4320-9bac-f847db4148a8"))
	// Output:
	// false
	// true
}

func ExampleUint64n() {
	fmt.Println(generate.Uint64n(6) < 6, generate.UnbufferedUint64n(6) < 6)
	// Output: true true
}

func ExampleAppendUnbufferedDigits() {
	fmt.Println(len(generate.AppendUnbufferedDigits(nil, 3)))
	// Output: 3
}

// A token that leads back with the key alone. The key is a subkey of a managed data
// key; a repository sees to that.
func ExampleVaultless() {
	f, err := generate.NewVaultless(bytes.Repeat([]byte{7}, 32), "test", "shop-eu")
	if err != nil {
		panic(err)
	}
	number := []byte("4242424242424242")
	token, err := f.AppendToken(nil, number)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(token[:6]), string(token[12:]), card.Luhn(token))
	back, err := f.AppendNumber(nil, token)
	fmt.Println(bytes.Equal(back, number), err)

	_, err = f.AppendToken(nil, []byte("36006666333344"))
	fmt.Println(err)
	// Output:
	// 424242 4242 false
	// true <nil>
	// generate: number has fewer than 15 digits, too few to encrypt a part of them
}
