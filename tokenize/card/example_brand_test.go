package card_test

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cardseal/cardseal/tokenize/card"
)

func ExamplePAN_Network() {
	pan, _ := card.ParsePAN("5066991111111118")
	n := pan.Network()
	fmt.Println(n.ID(), n.Name(), n.Brand(), n.Scheme(), n.LocalBrand())
	fmt.Println(slices.Collect(n.Lengths().All()), slices.Collect(n.CVCLengths().All()), n.Luhn())
	// Output:
	// elo Elo LOCAL_BRAND_ONLY OTHER ELO
	// [16] [3] required
}

func ExampleNetworkOf() {
	fmt.Println(card.NetworkOf([]byte("457100")).CoBadge())
	fmt.Println(card.NetworkOf([]byte("411111")))
	fmt.Println(card.NetworkOf([]byte("4")).Known()) // Visa for the most part, but not all of it
	// Output:
	// visa_dankort
	// visa
	// false
}

func ExampleRanges() {
	for r, n := range card.Ranges() {
		if r.First >= 90_000_000 {
			fmt.Printf("%08d-%08d %s\n", r.First, r.Last, n)
		}
	}
	// Output:
	// 96820100-96821199 mada
	// 97040000-97049999 napas
	// 97920000-97929999 troy
	// 98600000-98609999 humo
}

func ExampleNetwork_Truncation() {
	pan, _ := card.ParsePAN("4111111111111111")
	fmt.Printf("%+v\n", pan.Network().Truncation(pan.Len()))
	// Output: {First:8 Last:4 Removed:4}
}

func ExamplePAN_Check() {
	for _, s := range []string{"4111111111111111", "4111111111111112", "9999999999999995"} {
		pan, _ := card.ParsePAN(s)
		err := pan.Check(nil)
		fmt.Println(err, errors.Is(err, &card.Error{Reason: card.ReasonLuhn}))
	}
	// Output:
	// <nil> false
	// card: number fails the Luhn check its brand demands (INVALID) true
	// card: number is in no known range (INVALID) false
}

// bankTable is an embedding service's own BIN table.
type bankTable struct{}

func (bankTable) LookUp(prefix card.Prefix) (card.BINDetails, bool) {
	if string(prefix[:6]) != "411111" {
		return card.BINDetails{}, false
	}
	return card.BINDetails{Issuer: "First Bank", Country: "NLD", Funding: card.FundingDebit, Currency: "EUR"}, true
}

func ExampleBINTable() {
	table := card.FirstOf(bankTable{}, card.BuiltinTable{})
	for _, s := range []string{"4111111111111111", "5555555555554444"} {
		pan, _ := card.ParsePAN(s)
		d, known := pan.BINDetails(table)
		fmt.Println(d.Brand, d.Funding, d.Country, d.Issuer, known)
	}
	// Output:
	// VISA DEBIT NLD First Bank true
	// MASTERCARD UNKNOWN ZZZ  true
}

func ExampleBuiltinTable() {
	pan, _ := card.ParsePAN("378282246310005")
	d, known := card.BuiltinTable{}.LookUp(pan.Prefix())
	fmt.Println(d.Network, d.Brand, known)
	// Output: amex AMEX true
}

func ExampleLooksLikePAN() {
	fmt.Println(card.LooksLikePAN([]byte("4111111111111111")), card.LooksLikePAN([]byte("9999999999999995")))
	// Output: true false
}

func ExampleResolveBrand() {
	for _, name := range []string{"UPI", "Diners Club", "CB"} {
		b, local, err := card.ResolveBrand(name)
		fmt.Println(b, local, err)
	}
	// Output:
	// CHINA_UNIONPAY  <nil>
	// DINERS_CLUB  <nil>
	// LOCAL_BRAND_ONLY CARTE_BANCAIRE <nil>
}

func ExampleLengthsOf() {
	l := card.LengthsOf(16, 18, 19)
	fmt.Println(l.Has(16), l.Has(17))
	// Output: true false
}

func ExampleDetails_Validate() {
	pan, _ := card.ParsePAN("378282246310005")
	cvc, _ := card.ParseCVC("123")
	d := card.Details{Number: pan, Code: cvc, Expiry: card.Expiry{Month: 12, Year: 2030}, Holder: "A HOLDER"}
	fmt.Println(d)
	fmt.Println(d.Validate())
	// Output:
	// card.Details(378282xxxxx0005 1230)
	// card: securityCode has a length its brand does not use (INVALID)
}

func ExampleCheckHolder() {
	fmt.Println(card.CheckHolder("Zoë Ångström"))
	// Output: <nil>
}

func ExampleError() {
	_, err := card.ParsePAN("")
	var e *card.Error
	if errors.As(err, &e) {
		fmt.Println(e.Field, e.Kind, e.Reason)
	}
	// Output: number MISSING is empty
}
