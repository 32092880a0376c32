package card

import (
	"testing"

	"github.com/cardseal/cardseal/internal/needles"
)

// secrets are the ways of writing what must not be found: the hidden digits and the whole
// number, the code, as text and as they lie in memory.
func secrets(number, hidden, code string) []string {
	return needles.Of(hidden, number, code, needles.Packed(hidden), needles.Packed(code))
}

func found(s string) string {
	return needles.In(s, secrets(canaryNumber, canaryHidden, canaryCode))
}

// noCanary demands that a text holds neither number nor code. An address in the program
// is the same in all of the texts, which are of canaries of their own.
func noCanary(t *testing.T, what string, text func(canary int) string) {
	t.Helper()
	for _, n := range needles.InAll(len(canaries), func(i int) []string {
		return secrets(canaries[i].number, canaries[i].hidden, canaries[i].code)
	}, text) {
		t.Errorf("%s: found %q", what, n)
	}
}
