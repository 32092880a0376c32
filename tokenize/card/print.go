package card

import (
	"fmt"
	"io"
	"log/slog"
)

// What fmt, json, xml and slog may show lies in this one file. The methods have
// value receivers, so that pointers have them too.

var (
	_ fmt.Formatter   = PAN{}
	_ slog.LogValuer  = PAN{}
	_ fmt.Formatter   = CVC{}
	_ slog.LogValuer  = CVC{}
	_ fmt.GoStringer  = PAN{}
	_ fmt.GoStringer  = CVC{}
	_ fmt.Formatter   = Details{}
	_ slog.LogValuer  = Details{}
	_ fmt.GoStringer  = Details{}
	_ encodesAsString = PAN{}
	_ encodesAsString = CVC{}
)

type encodesAsString interface {
	MarshalJSON() ([]byte, error)
	MarshalText() ([]byte, error)
	String() string
}

// String returns the masked number, as Masked.
func (p PAN) String() string { return p.Masked() }

// GoString returns "card.PAN(" with the masked number and ")".
func (p PAN) GoString() string { return "card.PAN(" + p.Masked() + ")" }

// Format writes the masked number for every verb and flag, so that %x or %d of a PAN
// is no way to its digits. %#v writes GoString.
func (p PAN) Format(f fmt.State, verb rune) {
	if verb == 'v' && f.Flag('#') {
		io.WriteString(f, p.GoString())
		return
	}
	io.WriteString(f, p.Masked())
}

// MarshalText returns the masked number. There is no way back: a PAN is never read
// from a document by its field alone.
func (p PAN) MarshalText() ([]byte, error) { return []byte(p.Masked()), nil }

// MarshalJSON returns the masked number as a JSON string.
func (p PAN) MarshalJSON() ([]byte, error) {
	b := make([]byte, 0, MaxLen+2)
	b = append(b, '"')
	b = p.AppendMasked(b, Mask64)
	return append(b, '"'), nil
}

// LogValue returns the masked number.
func (p PAN) LogValue() slog.Value { return slog.StringValue(p.Masked()) }

// hiddenCode is what stands for every security code, the zero one included.
const hiddenCode = "card.CVC(hidden)"

// String returns a text that is the same for every code.
func (c CVC) String() string { return hiddenCode }

// GoString returns a text that is the same for every code.
func (c CVC) GoString() string { return hiddenCode }

// Format writes a text that is the same for every code, verb and flag.
func (c CVC) Format(f fmt.State, _ rune) { io.WriteString(f, hiddenCode) }

// MarshalText returns a text that is the same for every code.
func (c CVC) MarshalText() ([]byte, error) { return []byte(hiddenCode), nil }

// MarshalJSON returns a JSON string that is the same for every code.
func (c CVC) MarshalJSON() ([]byte, error) { return []byte(`"` + hiddenCode + `"`), nil }

// LogValue returns a text that is the same for every code.
func (c CVC) LogValue() slog.Value { return slog.StringValue(hiddenCode) }

// String returns the masked number and the expiry; the holder's name is cardholder
// data and stays out.
func (d Details) String() string {
	return "card.Details(" + d.Number.Masked() + " " + d.Expiry.String() + ")"
}

// GoString is String.
func (d Details) GoString() string { return d.String() }

// Format writes String for every verb and flag.
func (d Details) Format(f fmt.State, _ rune) { io.WriteString(f, d.String()) }

// MarshalText returns String. There is no way back.
func (d Details) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// LogValue returns a group of the masked number and the expiry.
func (d Details) LogValue() slog.Value {
	return slog.GroupValue(slog.String("number", d.Number.Masked()), slog.String("expiry", d.Expiry.String()))
}
