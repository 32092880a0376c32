// Package needles searches dumps, printed values and logs for what must not be in them.
package needles

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// Of returns the ways in which a dump may write some bytes, those themselves first, and
// for as many bytes always as many ways in the same order.
func Of(plain ...string) (all []string) {
	for _, p := range plain {
		all = append(all, p, fmt.Sprintf("%q", p))
		for _, verb := range []string{"%d", "%02x", "%02X", "%x", "%X", "0x%x", "%#02x", "%#v", "%b", "%o", "%#o", "%U", "%q"} {
			for _, between := range []string{" ", ", ", ",", ""} {
				if between == "" && (verb == "%d" || verb == "%b" || verb == "%o") {
					continue // runs of digits that say little
				}
				parts := make([]string, len(p))
				for i := range len(p) {
					parts[i] = fmt.Sprintf(verb, p[i])
				}
				all = append(all, strings.Join(parts, between))
			}
		}
	}
	return all
}

// Packed are digits as they lie in memory, two to a byte.
func Packed(digits string) string {
	b, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// In returns the first needle that is in a text, or nothing.
func In(text string, needles []string) string {
	for _, n := range needles {
		if strings.Contains(text, n) {
			return n
		}
	}
	return ""
}

// InAll returns those needles of the last canary that its text holds, where the texts
// of all the others hold theirs that are written in the same way. Four digits turn up in
// addresses, times and random IDs: what is there by chance is not there each time, if
// each text is made anew, of another canary. After a text without any no other is made.
func InAll(canaries int, needles func(canary int) []string, text func(canary int) string) []string {
	var left []int // places in the lists of needles, which are in the same order
	var last []string
	for c := range canaries {
		said := text(c)
		if last = needles(c); c == 0 {
			for i := range last {
				left = append(left, i)
			}
		}
		left = slices.DeleteFunc(left, func(i int) bool { return !strings.Contains(said, last[i]) })
		if len(left) == 0 {
			return nil
		}
	}
	var found []string
	for _, i := range left {
		found = append(found, last[i])
	}
	return found
}
