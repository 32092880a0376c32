package audit

import (
	"time"
	"unicode/utf8"
)

// appendJSON appends the event as a JSON object: the time, then the names of
// [NewLog] in their order, empty ones left out.
func (e *Event) appendJSON(b []byte) []byte {
	b = append(b, `{"at":"`...)
	b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	for _, a := range e.texts() {
		if a.value != "" {
			b = append(b, ',', '"')
			b = append(b, a.name...)
			b = append(b, '"', ':')
			b = appendString(b, a.value)
		}
	}
	return append(b, '}')
}

type text struct{ name, value string }

// texts are the event's fields but the time, as they are named where they are
// written down.
func (e *Event) texts() [12]text {
	return [...]text{
		{"action", string(e.Action)}, {"outcome", string(e.Outcome)},
		{"repository", e.Repository}, {"merchant", e.Merchant}, {"owner", e.Owner},
		{"token", e.Token}, {"unknownToken", e.Unknown}, {"reason", e.Reason},
		{"field", e.Field}, {"correlation", e.Correlation},
		{"verification", e.Verification}, {"receipt", encoding.EncodeToString(e.Receipt)},
	}
}

// appendString appends text as a JSON string, the one way a chain spells it:
// escapes only where JSON needs them, the replacement character for what is not
// UTF-8.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[from:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\n':
				b = append(b, `\n`...)
			case '\r':
				b = append(b, `\r`...)
			case '\t':
				b = append(b, `\t`...)
			default:
				b = append(b, `\u00`...)
				b = append(b, hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			from = i
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			b = append(b, s[from:i]...)
			b = append(b, "\ufffd"...)
			from = i + 1
		}
		i += n
	}
	return append(append(b, s[from:]...), '"')
}

const hexDigits = "0123456789abcdef"
