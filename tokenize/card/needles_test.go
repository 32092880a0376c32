package card

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// spellings returns the ways in which a dump may write some bytes.
func spellings(b []byte) (out []string) {
	for _, verb := range []string{"%d", "%02x", "%02X", "%x", "%X", "0x%x", "%#02x", "%#v", "%b", "%o", "%#o", "%U", "%q"} {
		for _, between := range []string{" ", ", ", ",", ""} {
			if between == "" && (verb == "%d" || verb == "%b" || verb == "%o") {
				continue
			}
			parts := make([]string, len(b))
			for i, c := range b {
				parts[i] = fmt.Sprintf(verb, c)
			}
			out = append(out, strings.Join(parts, between))
		}
	}
	return append(out, fmt.Sprintf("%q", b))
}

// needles are what must not be found: the hidden digits and the whole number, as text,
// as the bytes of that text, and packed two to a byte; the code likewise.
func needles(number, hidden, code string) []string {
	all := []string{hidden, number, code, packed(hidden)}
	for _, s := range []string{hidden, packed(hidden), code, packed(code)} {
		all = append(all, spellings([]byte(s))...)
	}
	return all
}

// packed are digits two to a byte.
func packed(digits string) string {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func found(s string) string {
	for _, n := range needles(canaryNumber, canaryHidden, canaryCode) {
		if strings.Contains(s, n) {
			return n
		}
	}
	return ""
}

// noCanary demands that a text holds neither number nor code. Four digits turn up in
// addresses by chance, so that a find counts only if every text has it, each made anew
// of another canary: an address in the program is the same in all of them.
func noCanary(t *testing.T, what string, text func(canary int) string) {
	t.Helper()
	var left []int // places in the lists of needles, which are in the same order
	var all []string
	for i, c := range canaries {
		said := text(i)
		all = needles(c.number, c.hidden, c.code)
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
}
