package generate

import (
	"errors"
	"strings"
	"testing"

	"github.com/cardseal/cardseal/tokenize/card"
)

// Rank is defined for exactly the middles that make the whole fail Luhn, and
// AppendMiddle undoes it.
func FuzzRank(f *testing.F) {
	f.Add(pan14[:6], pan14[10:], 14, "0627")
	f.Add(pan16[:6], pan16[12:], 16, "000000")
	f.Add(pan19[:6], pan19[15:], 19, "999999999")
	f.Add("", "", 0, "")
	f.Fuzz(func(t *testing.T, first, last string, length int, middle string) {
		s, err := NewSpace64(first, last, length)
		if err != nil {
			if s != (Space64{}) {
				t.Fatal("a space beside an error")
			}
			return
		}
		k, ok := s.Rank(middle)
		if !ok {
			if len(middle) == s.MiddleLen() && isDigits(middle) && !slowLuhn(first+middle+last) {
				t.Fatal("a middle of the space has no rank")
			}
			return
		}
		if k >= s.Size() || s.Middle(k) != middle || slowLuhn(first+middle+last) {
			t.Fatal("rank of something else")
		}
	})
}

// The ordered column is canonical both ways.
func FuzzOrder(f *testing.F) {
	for _, pan := range []string{pan14, pan15, pan16, pan19, "3622721667140627", ""} {
		f.Add(pan)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if o, ok := Order(text); ok {
			if back, ok := FromOrder(o); !ok || back != text {
				t.Fatal("order does not come back")
			}
		}
		if token, ok := FromOrder(text); ok {
			if o, ok := Order(token); !ok || o != text {
				t.Fatal("two spellings of one order")
			}
		}
	})
}

func FuzzCheckMerchantToken(f *testing.F) {
	f.Add("order7", pan16)
	f.Add("x"+pan16, pan16)
	f.Add(pan19, pan16)
	f.Add("", "")
	f.Fuzz(func(t *testing.T, token, pan string) {
		err := CheckMerchantToken(token, []byte(pan), nil)
		if err == nil {
			switch {
			case !Valid(MerchantProvided, token):
				t.Fatal("accepted what a look-up refuses")
			case pan != "" && strings.Contains(token, pan):
				t.Fatal("accepted a token with the number in it")
			case card.LooksLikePAN([]byte(token)):
				t.Fatal("accepted a card number")
			}
			return
		}
		var typed *Error
		if !errors.As(err, &typed) || typed.Field != FieldToken {
			t.Fatal("untyped error")
		}
		if len(token) > 16 && strings.Contains(err.Error(), token) {
			t.Fatal("the error quotes the token")
		}
	})
}

// What is made of a number opens to it, and what opens is made of the number.
func FuzzVaultless(f *testing.F) {
	for _, text := range []string{pan15, pan16, pan19, panNoLuhn, pan14, "4242424242424241", "424242424242424x", ""} {
		f.Add(text)
	}
	v := vaultless(f, vaultScope)
	f.Fuzz(func(t *testing.T, text string) {
		if token, err := v.AppendToken(nil, []byte(text)); err == nil {
			back, err := v.AppendNumber(nil, token)
			if err != nil || string(back) != text || slowLuhn(string(token)) || !Valid(FF1, string(token)) {
				t.Fatal("a token that is none, or of another number")
			}
		} else if CheckVaultless([]byte(text)) == nil {
			t.Fatal("a number without a token")
		}
		if number, err := v.AppendNumber(nil, []byte(text)); err == nil {
			if token, err := v.AppendToken(nil, number); err != nil || string(token) != text {
				t.Fatal("two tokens of one number")
			}
		}
	})
}
