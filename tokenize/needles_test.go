package tokenize_test

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/needles"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/generate"
)

func codeNeedles(code string) []string { return needles.Of(code, needles.Packed(code)) }

// numberNeedlesOf are for what a mask hides of a number, and the whole of it.
func numberNeedlesOf(number, hidden string) []string {
	return needles.Of(hidden, number, needles.Packed(hidden))
}

var numberNeedles = numberNeedlesOf(canary, hidden)

// address is where the error behind a printed one lies, which may be anywhere.
var address = regexp.MustCompile(`(\(\*[^()]*\)\(|err:)0x[0-9a-f]+`)

func noDigits(t testing.TB, s string) {
	t.Helper()
	require.Empty(t, needles.In(address.ReplaceAllString(s, "${1}"), numberNeedles))
}

// told is events as a text, without what may hold any digits by chance: times, tokens
// that were drawn, and digests.
func told(t testing.TB, events []audit.Event) string {
	t.Helper()
	events = slices.Clone(events)
	for i := range events {
		e := &events[i]
		require.Regexp(t, `^([0-9a-f]{32})?$`, e.Unknown)
		e.Time, e.Unknown = time.Time{}, ""
		if generate.IsUUID(e.Token) {
			e.Token = ""
		}
	}
	return fmt.Sprintf("%+v", events)
}

// noCanary demands that a text holds neither number nor code. Each has another canary in
// it: a time of day or an address in the program is the same in all of them.
func noCanary(t testing.TB, what string, text func(canary int) string) {
	t.Helper()
	for _, n := range needles.InAll(len(canaries), func(i int) []string {
		return append(numberNeedlesOf(canaries[i].number, canaries[i].hidden), codeNeedles(canaries[i].code)...)
	}, text) {
		t.Errorf("%s: found %q", what, n)
	}
	if t.Failed() {
		t.FailNow()
	}
}

// texts is how many of them a chance would have to be in. One in twenty of the longest
// has a code that nobody put there.
const texts = 8
