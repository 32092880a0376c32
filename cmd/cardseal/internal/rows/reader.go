package rows

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// MaxLine is the length of the longest line that is read, in bytes, without its
// line end.
const MaxLine = 64 << 10

// ErrTooLong is a line longer than [MaxLine]. The reader stands after it.
var ErrTooLong = errors.New("rows: line is too long")

// byteOrderMark is U+FEFF in UTF-8, which spreadsheets put before the text.
var byteOrderMark = []byte{0xef, 0xbb, 0xbf}

// Reader reads lines.
type Reader struct {
	r      *bufio.Reader
	offset int64 // of the next line, in bytes
	line   int64 // number of the last line read, from 1

	last  []byte // what Next returned last, and
	began int64  // where it begins
	again bool   // it comes once more
}

// NewReader reads from r, which stands at the given offset of the whole input,
// behind the given number of lines. Both are 0 at the beginning.
func NewReader(r io.Reader, offset, line int64) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, MaxLine+2), offset: offset, line: line}
}

// Next returns the next line without its line end, valid until the next call. At
// the end it returns io.EOF; a last line without a line end is a line. An error
// of the input comes back as it is, and part of a line before it is lost.
func (r *Reader) Next() ([]byte, error) {
	if r.again {
		r.again = false
		r.began, r.offset = r.offset, r.began
		r.line++
		return r.last, nil
	}
	r.began = r.offset
	line, err := r.r.ReadSlice('\n')
	tooLong := false
	for errors.Is(err, bufio.ErrBufferFull) {
		tooLong = true
		r.offset += int64(len(line))
		line, err = r.r.ReadSlice('\n')
	}
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(line) == 0 && !tooLong {
		return nil, io.EOF
	}
	if r.offset == 0 {
		// The mark is part of the first line's bytes, not of its text.
		r.offset = int64(len(line))
		line = bytes.TrimPrefix(line, byteOrderMark)
	} else {
		r.offset += int64(len(line))
	}
	r.line++
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if tooLong || len(line) > MaxLine {
		return nil, ErrTooLong
	}
	r.last = line
	return line, nil
}

// Again makes the line that Next returned last come once more. It must not
// follow an error.
func (r *Reader) Again() {
	r.again = true
	r.began, r.offset = r.offset, r.began
	r.line--
}

// Line is the number of the last line that Next returned, from 1.
func (r *Reader) Line() int64 { return r.line }

// Offset is where the next line begins, in bytes from the beginning of the input.
func (r *Reader) Offset() int64 { return r.offset }
