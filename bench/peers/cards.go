package main

import (
	"github.com/ShiraazMoollatjie/goluhn"
	"github.com/asaskevich/govalidator"
	creditcard "github.com/durango/go-credit-card"
	masker "github.com/ggwhite/go-masker/v2"
	"github.com/go-playground/validator/v10"
	jancajthaml "github.com/jancajthaml-go/luhn"
	theplant "github.com/theplant/luhn"

	"github.com/cardseal/cardseal/tokenize/card"
)

// each calls f n times and ends the contest if it says no once.
func each(f func() bool) func(n int) {
	return func(n int) {
		for range n {
			if !f() {
				panic("a published test card was refused")
			}
		}
	}
}

func cardContests() ([]contest, error) {
	text, number := string(pan16), 4111111111111111
	validate := validator.New()
	masks := &masker.CreditMasker{}
	dst := make([]byte, 0, 32)
	return []contest{
		{"Luhn, 16 digits", []contender{
			{"cardseal", each(func() bool { return card.Luhn(pan16) })},
			{"jancajthaml-go/luhn", each(func() bool { return jancajthaml.Validate(text) })},
			{"goluhn", each(func() bool { return goluhn.Validate(text) == nil })},
			{"theplant/luhn", each(func() bool { return theplant.Valid(number) })},
			{"go-credit-card", each(func() bool { c := creditcard.Card{Number: text}; return c.ValidateNumber() })},
			{"validator", each(func() bool { return validate.Var(text, "credit_card") == nil })},
			{"govalidator", each(func() bool { return govalidator.IsCreditCard(text) })},
		}},
		{"brand", []contender{
			{"cardseal", each(func() bool { return card.NetworkOf(pan16) != card.Network{} })},
			{"go-credit-card", each(func() bool { c := creditcard.Card{Number: text}; return c.Method() == nil })},
		}},
		{"mask", []contender{
			{"cardseal", each(func() bool { return len(card.AppendMasked(dst, pan16, card.Mask64)) == 16 })},
			{"go-masker", each(func() bool { return len(masks.Marshal("x", text)) == 16 })},
		}},
	}, nil
}
