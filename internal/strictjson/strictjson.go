// Package strictjson reads one small JSON object (RFC 8259) whose names are all
// known beforehand, where a second reading of the same text would be a fault: a
// header that an attacker wrote, a card.
//
// An unknown name, a name given twice, one in other letters, text that is not
// UTF-8, a lone surrogate, an array, a literal and anything after the object are
// refused. No string is made of what is read: values are bytes of the text
// itself, so that whoever clears the text has cleared them all.
package strictjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Kind is what a value is. The zero Kind is no value.
type Kind uint8

const (
	String Kind = iota + 1
	Number
	Object
)

// Value is a member's value. Bytes is part of the text that was read: a string's
// characters without quotes and escapes, a number as it is written, or an object
// as it is written, which has not been looked into and is to be given to [Read].
type Value struct {
	Kind  Kind
	Bytes []byte
}

// Read reads an object and gives each member to set, in their order, i being the
// place of its name in names, of which there are at most 64. It reports whether
// all of text is such an object and set took every member. Escapes are resolved
// within text, which is therefore of no use afterwards but to be cleared.
func Read(text []byte, names []string, set func(i int, v Value) bool) bool {
	if !utf8.Valid(text) {
		return false
	}
	r := reader{b: text}
	r.space()
	if !r.take('{') {
		return false
	}
	r.space()
	if r.take('}') {
		return r.atEnd()
	}
	var seen uint64
	for {
		i, ok := r.name(names)
		if !ok || seen>>i&1 == 1 {
			return false
		}
		seen |= 1 << i
		v, ok := r.value()
		if !ok || !set(i, v) {
			return false
		}
		r.space()
		if r.take('}') {
			return r.atEnd()
		}
		if !r.take(',') {
			return false
		}
		r.space()
	}
}

// reader is a place in a text.
type reader struct {
	b []byte
	i int
}

// peek is the byte at the place, and 0 at the end.
func (r *reader) peek() byte {
	if r.i == len(r.b) {
		return 0
	}
	return r.b[r.i]
}

func (r *reader) take(c byte) bool {
	if r.peek() != c {
		return false
	}
	r.i++
	return true
}

func (r *reader) space() {
	for r.i < len(r.b) && (r.b[r.i] == ' ' || r.b[r.i] == '\t' || r.b[r.i] == '\n' || r.b[r.i] == '\r') {
		r.i++
	}
}

func (r *reader) atEnd() bool {
	r.space()
	return r.i == len(r.b)
}

// name reads a name and the colon after it.
func (r *reader) name(names []string) (int, bool) {
	got, ok := r.text()
	if !ok {
		return 0, false
	}
	r.space()
	if !r.take(':') {
		return 0, false
	}
	for i, name := range names {
		if string(got) == name {
			return i, true
		}
	}
	return 0, false
}

func (r *reader) value() (Value, bool) {
	r.space()
	switch c := r.peek(); {
	case c == '"':
		b, ok := r.text()
		return Value{String, b}, ok
	case c == '{':
		b, ok := r.object()
		return Value{Object, b}, ok
	case c == '-' || isDigit(c):
		b, ok := r.number()
		return Value{Number, b}, ok
	}
	return Value{}, false
}

// text reads a string and resolves its escapes in place: none is shorter than
// what it stands for.
func (r *reader) text() ([]byte, bool) {
	if !r.take('"') {
		return nil, false
	}
	from := r.i
	w := from
	for r.i < len(r.b) {
		c := r.b[r.i]
		r.i++
		switch {
		case c == '"':
			return r.b[from:w:w], true
		case c < ' ':
			return nil, false
		case c != '\\':
			r.b[w] = c
			w++
		default:
			n, ok := r.escape(r.b[w:w])
			if !ok {
				return nil, false
			}
			w += n
		}
	}
	return nil, false
}

// escape appends what the escape at the place stands for, and returns its length.
func (r *reader) escape(dst []byte) (int, bool) {
	c := r.peek()
	r.i++
	if c == 'u' {
		x, ok := r.hex4()
		if ok && utf16.IsSurrogate(x) {
			if !r.take('\\') || !r.take('u') {
				return 0, false
			}
			var low rune
			if low, ok = r.hex4(); ok {
				x = utf16.DecodeRune(x, low)
				ok = x != utf8.RuneError
			}
		}
		return len(utf8.AppendRune(dst, x)), ok
	}
	if i := bytes.IndexByte([]byte(`"\/bfnrt`), c); i >= 0 && c != 0 {
		return len(append(dst, "\"\\/\b\f\n\r\t"[i])), true
	}
	return 0, false
}

func (r *reader) hex4() (x rune, ok bool) {
	if len(r.b)-r.i < 4 {
		return 0, false
	}
	for range 4 {
		c := r.b[r.i]
		r.i++
		switch {
		case isDigit(c):
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		x = x<<4 | rune(c)
	}
	return x, true
}

// number reads a number (RFC 8259, section 6).
func (r *reader) number() ([]byte, bool) {
	from := r.i
	r.take('-')
	if !r.take('0') && !r.digits() {
		return nil, false
	}
	if r.take('.') && !r.digits() {
		return nil, false
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return nil, false
		}
	}
	return r.b[from:r.i:r.i], true
}

func (r *reader) digits() bool {
	from := r.i
	for isDigit(r.peek()) {
		r.i++
	}
	return r.i > from
}

// object finds the end of an object without another one in it.
func (r *reader) object() ([]byte, bool) {
	from, quoted := r.i, false
	for r.i++; r.i < len(r.b); r.i++ {
		switch c := r.b[r.i]; {
		case quoted && c == '\\':
			r.i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{':
			return nil, false
		case c == '}':
			r.i++
			return r.b[from:r.i:r.i], true
		}
	}
	return nil, false
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }
