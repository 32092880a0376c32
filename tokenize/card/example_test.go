package card_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cardseal/cardseal/tokenize/card"
)

func ExampleParsePAN() {
	pan, err := card.ParsePAN("4111111111111111")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(pan, pan.Len(), pan.Luhn(), pan.Brand(), pan.Scheme())

	_, err = card.ParsePAN("4111 1111 1111 1111")
	fmt.Println(err)
	fmt.Println(errors.Is(err, &card.Error{Reason: card.ReasonSeparator}))
	// Output:
	// 411111xxxxxx1111 16 true VISA VISA
	// card: number holds a space or hyphen, which only the lenient parser takes (INVALID)
	// true
}

func ExampleParsePANLenient() {
	pan, err := card.ParsePANLenient([]byte("3782 822463 10005"))
	fmt.Println(pan, err)
	// Output: 378282xxxxx0005 <nil>
}

func ExamplePAN() {
	pan, _ := card.ParsePAN("5555555555554444")
	type order struct {
		ID  int
		pan card.PAN // fmt can't call methods here; it finds no digits either
		Pan card.PAN
	}
	doc, _ := json.Marshal(order{7, pan, pan})
	fmt.Println(string(doc))
	fmt.Printf("%x %d %#v\n", pan, pan, pan)
	// Output:
	// {"ID":7,"Pan":"555555xxxxxx4444"}
	// 555555xxxxxx4444 555555xxxxxx4444 card.PAN(555555xxxxxx4444)
}

func ExamplePAN_AppendDigits() {
	pan, _ := card.ParsePAN("4111111111111111")
	buf := make([]byte, 0, card.MaxLen)
	buf = pan.AppendDigits(buf) // from here on the caller answers for the digits
	fmt.Println(string(buf))
	clear(buf)
	// Output: 4111111111111111
}

func ExamplePAN_AppendPacked() {
	pan, _ := card.ParsePAN("378282246310005")
	packed := pan.AppendPacked(nil) // what the sealing layer encrypts
	fmt.Printf("%x\n", packed)
	back, err := card.ParsePacked(packed)
	fmt.Println(back.Equal(pan), err)
	// Output:
	// 0f378282246310005fffff
	// true <nil>
}

func ExampleParsePacked() {
	_, err := card.ParsePacked([]byte{15, 0x37, 0x82})
	fmt.Println(err)
	// Output: card: number is not a packed value in its canonical form (INVALID)
}

func ExamplePAN_Equal() {
	a, _ := card.ParsePAN("4111111111111111")
	b, _ := card.ParsePANLenient("4111-1111-1111-1111")
	fmt.Println(a.Equal(b)) // a == b does not compile
	// Output: true
}

func ExamplePAN_BIN() {
	visa, _ := card.ParsePAN("4111111111111111")
	amex, _ := card.ParsePAN("378282246310005")
	fmt.Println(visa.BIN(), visa.LastFour(), string(visa.AppendBIN(nil)))
	fmt.Println(amex.BIN(), amex.LastFour(), card.BINLen(amex.Len()))
	// Output:
	// 41111111 1111 41111111
	// 378282 0005 6
}

func ExamplePAN_Masked() {
	pan, _ := card.ParsePAN("4111111111111111")
	fmt.Println(pan.Masked())
	// Output: 411111xxxxxx1111
}

func ExamplePAN_AppendMasked() {
	pan, _ := card.ParsePAN("4111111111111111")
	mask, err := card.NewMask(0, 4, '*')
	fmt.Println(string(pan.AppendMasked(nil, mask)), err)
	// Output: ************1111 <nil>
}

func ExampleAppendMasked() {
	fmt.Println(string(card.AppendMasked(nil, []byte("6205500000000000004"), card.Mask64)))
	fmt.Println(string(card.AppendMasked(nil, []byte("no number"), card.Mask64)))
	// Output:
	// 620550xxxxxxxxx0004
	// xxxxxxxxx
}

func ExampleParseMask() {
	mask, err := card.ParseMask("8.4")
	fmt.Println(mask, mask.First(), mask.Last(), string(mask.Fill()), err)
	first, last := mask.Shows(15) // eight digits are for sixteen only
	fmt.Println(first, last)
	_, err = card.ParseMask("12.4")
	fmt.Println(err)
	// Output:
	// 8.4 8 4 x <nil>
	// 6 4
	// card: mask has to be written FIRST.LAST, such as 6.4 (INVALID)
}

func ExampleNewMask() {
	_, err := card.NewMask(9, 4, 'x')
	fmt.Println(err)
	// Output: card: mask uncovers more than eight first and four last digits (INVALID)
}

func ExampleLuhn() {
	fmt.Println(card.Luhn([]byte("378282246310005")), card.Luhn([]byte("378282246310006")))
	// Output: true false
}

func ExampleCheckDigit() {
	c, err := card.CheckDigit([]byte("411111111111111"))
	fmt.Printf("%c %v\n", c, err)
	_, err = card.CheckDigit([]byte("41111111111111I"))
	fmt.Println(err)
	// Output:
	// 1 <nil>
	// card: number has to consist of digits, at least one (INVALID)
}

func ExampleParseCVC() {
	cvc, err := card.ParseCVC("123")
	fmt.Println(cvc, cvc.Len(), err)
	fmt.Println(cvc.ValidFor(card.BrandVisa), cvc.ValidFor(card.BrandAmex))
	fmt.Println(cvc.CheckFor(card.BrandUATP))
	guess, _ := card.ParseCVC("124")
	fmt.Println(cvc.Equal(guess))
	// Output:
	// card.CVC(hidden) 3 <nil>
	// true false
	// card: securityCode has a length its brand does not use (UNSUPPORTED)
	// false
}

func ExampleParsePackedCVC() {
	cvc, _ := card.ParseCVC("123")
	back, err := card.ParsePackedCVC(cvc.AppendPacked(nil))
	fmt.Println(back.Equal(cvc), string(back.AppendDigits(nil)), err)
	// Output: true 123 <nil>
}

func ExampleParseExpiry() {
	e, err := card.ParseExpiry("0228")
	fmt.Println(e, e.Month, e.Year, err)
	fmt.Println(e.Expired(time.Date(2028, 2, 29, 23, 59, 59, 0, time.UTC)))
	fmt.Println(e.Expired(time.Date(2028, 3, 1, 0, 0, 0, 0, time.UTC)))
	// Output:
	// 0228 2 2028 <nil>
	// false
	// true
}

func ExampleParseExpiryLenient() {
	e, err := card.ParseExpiryLenient("02/28")
	fmt.Println(e, err)
	// Output: 0228 <nil>
}

func ExampleNewExpiry() {
	_, err := card.NewExpiry(13, 2030)
	fmt.Println(err)
	// Output: card: expiry has a month other than 1 to 12 (INVALID)
}
