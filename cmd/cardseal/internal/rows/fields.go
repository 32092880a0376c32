package rows

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
)

// ErrQuote is a line whose quotes do not match.
var ErrQuote = errors.New("rows: quotes do not match")

// ReasonQuote is what a rejects file says of [ErrQuote].
const ReasonQuote = "has a quote that is out of place or not closed (a quoted field may not hold a line break)"

// Splitter takes lines apart into the fields of CSV (RFC 4180).
type Splitter struct {
	fields [][]byte
	text   []byte
	line   oneLine
	quoted *csv.Reader
}

// Split returns the fields of a line. They are valid until the next call or
// until the line's memory is used again. A line without a double quote costs no
// allocation. The error is [ErrQuote].
func (s *Splitter) Split(line []byte) ([][]byte, error) {
	s.fields = s.fields[:0]
	if bytes.IndexByte(line, '"') >= 0 {
		return s.splitQuoted(line)
	}
	for {
		i := bytes.IndexByte(line, ',')
		if i < 0 {
			s.fields = append(s.fields, line)
			return s.fields, nil
		}
		s.fields = append(s.fields, line[:i])
		line = line[i+1:]
	}
}

func (s *Splitter) splitQuoted(line []byte) ([][]byte, error) {
	if s.quoted == nil {
		s.quoted = csv.NewReader(&s.line)
		s.quoted.FieldsPerRecord = -1
		s.quoted.ReuseRecord = true
	}
	s.line.rest = line
	record, err := s.quoted.Read()
	if err != nil {
		s.line.rest = nil
		return nil, ErrQuote
	}
	s.text = s.text[:0]
	for _, f := range record {
		s.text = append(s.text, f...)
	}
	at := 0
	for _, f := range record {
		s.fields = append(s.fields, s.text[at:at+len(f)])
		at += len(f)
	}
	return s.fields, nil
}

// oneLine is a reader that ends after each line, and goes on with the next.
type oneLine struct{ rest []byte }

func (l *oneLine) Read(p []byte) (int, error) {
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

// AppendField appends a field to a line of CSV, in quotes where it needs them.
// The comma before it is the caller's.
func AppendField(dst, field []byte) []byte {
	if !needsQuotes(field) {
		return append(dst, field...)
	}
	dst = append(dst, '"')
	for _, c := range field {
		if c == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

func needsQuotes(field []byte) bool {
	return len(field) > 0 && (field[0] == ' ' || bytes.ContainsAny(field, ",\"\r\n"))
}
