package tokenize_test

import (
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// spellings are the ways in which a dump may write some bytes.
func spellings(b []byte) (out []string) {
	for _, verb := range []string{"%d", "%02x", "%02X", "0x%x", "%b", "%o", "%U"} {
		for _, between := range []string{" ", ", ", ","} {
			parts := make([]string, len(b))
			for i, c := range b {
				parts[i] = fmt.Sprintf(verb, c)
			}
			out = append(out, strings.Join(parts, between))
		}
	}
	return append(out, fmt.Sprintf("%x", b), fmt.Sprintf("%X", b))
}

func needles(plain ...string) (all []string) {
	for _, b := range plain {
		all = append(append(all, b), spellings([]byte(b))...)
	}
	return all
}

// packed are digits as they lie in memory, two to a byte.
func packed(digits string) string {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func codeNeedles(code string) []string { return needles(code, packed(code)) }

// numberNeedlesOf are for what a mask hides of a number, and the whole of it.
func numberNeedlesOf(number, hidden string) []string { return needles(hidden, number, packed(hidden)) }

var numberNeedles = numberNeedlesOf(canary, hidden)

// found returns which of the needles is in a text.
func found(s string, needles []string) string {
	for _, n := range needles {
		if strings.Contains(s, n) {
			return n
		}
	}
	return ""
}

// address is where the error behind a printed one lies, which may be anywhere.
var address = regexp.MustCompile(`(\(\*[^()]*\)\(|err:)0x[0-9a-f]+`)

func noDigits(t testing.TB, s string) {
	t.Helper()
	require.Empty(t, found(address.ReplaceAllString(s, "${1}"), numberNeedles))
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

// noCanary demands that a text holds neither number nor code. Four digits turn up
// in addresses, times and random tokens by chance, so that a find counts only if every
// text has it, each made anew. Each has another canary in it: a time of day or an
// address in the program is the same in all of them.
func noCanary(t testing.TB, what string, text func(canary int) string) {
	t.Helper()
	var left []int // places in the lists of needles, which are in the same order
	var all []string
	for i, c := range canaries {
		said := text(i)
		all = append(numberNeedlesOf(c.number, c.hidden), codeNeedles(c.code)...)
		if i == 0 {
			for n := range all {
				left = append(left, n)
			}
		}
		left = slices.DeleteFunc(left, func(n int) bool { return !strings.Contains(said, all[n]) })
		if len(left) == 0 {
			return
		}
	}
	for _, n := range left {
		t.Errorf("%s: found %q", what, all[n])
	}
	t.FailNow()
}

// texts is how many of them a chance would have to be in. One in twenty of the longest
// has a code that nobody put there.
const texts = 8
