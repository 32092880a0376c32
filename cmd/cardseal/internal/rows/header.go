package rows

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Header is what the first line of a file says of its columns. The zero Header
// is that of a file without one: a single column of values from the first line.
type Header struct {
	names []string
}

// ParseHeader reads a header line. The error is [ErrQuote].
func ParseHeader(line []byte) (Header, error) {
	var s Splitter
	fields, err := s.Split(line)
	if err != nil {
		return Header{}, err
	}
	h := Header{names: make([]string, len(fields))}
	for i, f := range fields {
		h.names[i] = string(bytes.TrimSpace(f))
	}
	return h, nil
}

// IsNumbers reports whether a first line is a card number alone and no header:
// digits, perhaps with spaces and hyphens, and nothing else.
func IsNumbers(line []byte) bool {
	digits := 0
	for _, c := range bytes.TrimSpace(line) {
		switch {
		case c >= '0' && c <= '9':
			digits++
		case c != ' ' && c != '-':
			return false
		}
	}
	return digits > 0
}

// Len is the number of columns.
func (h Header) Len() int { return len(h.names) }

// Find returns the place of the first column with one of the names, without
// regard to case, in the order of the names.
func (h Header) Find(names ...string) (int, bool) {
	for _, n := range names {
		for i, have := range h.names {
			if strings.EqualFold(have, n) {
				return i, true
			}
		}
	}
	return 0, false
}

// Count is how many columns have a name, without regard to case.
func (h Header) Count(name string) int {
	n := 0
	for _, have := range h.names {
		if strings.EqualFold(have, name) {
			n++
		}
	}
	return n
}

// Raw is a column's name as the file has it.
func (h Header) Raw(i int) string { return h.names[i] }

// Name is a column's name as it may be shown: a first line may be data, so what
// holds many digits or cannot be printed is replaced by the column's number.
func (h Header) Name(i int) string {
	if i >= len(h.names) {
		return "column " + strconv.Itoa(i+1)
	}
	return ShownName(h.names[i], i)
}

// Names lists all columns as they may be shown.
func (h Header) Names() string {
	const most = 20
	shown := make([]string, 0, most+1)
	for i := range h.names {
		if i == most {
			shown = append(shown, "…")
			break
		}
		shown = append(shown, h.Name(i))
	}
	return strings.Join(shown, ", ")
}

// ShownName is name, or the column's number where it must not be shown.
func ShownName(name string, i int) string {
	fit := name != "" && len(name) <= 40 && utf8.ValidString(name) && !tooDigital(name)
	for _, c := range name {
		fit = fit && unicode.IsPrint(c)
	}
	if !fit {
		return "column " + strconv.Itoa(i+1)
	}
	return name
}

// tooDigital finds names with more digits than a name has: even part of a card
// number is not shown.
func tooDigital(name string) bool {
	n := 0
	for _, c := range name {
		if c >= '0' && c <= '9' {
			n++
		}
	}
	return n > 4
}

// codeNames are the names of columns that hold security codes or other data that
// must not be kept (PCI DSS 3.3.1), without case, spaces and punctuation.
var codeNames = map[string]bool{
	"cvc": true, "cvc2": true, "cvv": true, "cvv2": true, "csc": true, "cid": true,
	"cav": true, "cav2": true, "cvn": true, "cvn2": true, "cve": true, "cvp2": true,
	"securitycode": true, "cardsecuritycode": true, "verificationcode": true,
	"cardverificationcode": true, "cardverificationvalue": true, "cardcode": true,
	"pin": true, "pinblock": true, "track": true, "track1": true, "track2": true,
}

// NumberNames are the names under which a column of card numbers is found.
var NumberNames = []string{"number", "pan", "card_number", "cardnumber"}

// IsCodeName reports whether a column of this name holds security codes.
func IsCodeName(name string) bool {
	var b strings.Builder
	for _, c := range strings.ToLower(name) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' {
			b.WriteRune(c)
		}
	}
	plain := b.String()
	return codeNames[plain] || strings.Contains(plain, "cvv") || strings.Contains(plain, "cvc") ||
		strings.Contains(plain, "securitycode")
}
