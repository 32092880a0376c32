package envelope

import (
	"encoding/base64"
	"strings"
)

// TextPrefix begins the text form of every record.
const TextPrefix = "cs1."

// textEncoding is base64url without padding (RFC 4648, 5), strict: the unused
// bits of the last character must be zero, so that a record has one spelling.
var textEncoding = base64.RawURLEncoding.Strict()

// AppendText appends the text form of a record to dst: [TextPrefix] and base64url
// without padding.
func AppendText(dst, record []byte) []byte {
	return textEncoding.AppendEncode(append(dst, TextPrefix...), record)
}

// ParseText decodes a record's text form and appends the record to dst. It
// accepts one spelling only: no padding, no line breaks, no spaces. Any other
// text is [ErrText].
func ParseText(dst []byte, text string) ([]byte, error) {
	body, ok := strings.CutPrefix(text, TextPrefix)
	// The decoder skips line breaks, which would give a record many spellings.
	if !ok || body == "" || strings.ContainsAny(body, "\r\n") {
		return nil, ErrText
	}
	out, err := textEncoding.AppendDecode(dst, []byte(body))
	if err != nil {
		return nil, ErrText
	}
	return out, nil
}
