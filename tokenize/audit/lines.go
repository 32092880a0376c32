package audit

import (
	"bufio"
	"errors"
	"io"
)

// lines reads a file line by line in constant memory.
type lines struct {
	r    *bufio.Reader
	more bool // the piece before was not the end of its line
}

func newLines(r io.Reader) *lines { return &lines{r: bufio.NewReaderSize(r, MaxLine+1)} }

// next returns the next piece with its line end, valid until the next call. Whole
// is whether it is a line, of which the last need not have an end; a line too long
// to be one of a chain comes in several pieces that are none. The end is [io.EOF].
func (l *lines) next() (piece []byte, whole bool, err error) {
	piece, err = l.r.ReadSlice('\n')
	long := errors.Is(err, bufio.ErrBufferFull)
	if len(piece) > 0 && (err == io.EOF || long) {
		err = nil
	}
	whole = !long && !l.more
	l.more = long
	return piece, whole, err
}
