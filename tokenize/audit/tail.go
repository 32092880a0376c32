package audit

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// ErrEmpty is a log without an entry of a chain.
var ErrEmpty = errors.New("audit: the log holds no chain")

// tail is what the end of a file says.
type tail struct {
	last *line // the last line of a chain; nil if there is none
	end  int64 // where it ends: what follows is none of the chain's
	open bool  // it lacks its line end alone, and nothing follows
}

// tailWindow is how much of the end of a file is read at first.
const tailWindow = 4 * MaxLine

// ReadHead returns where the chain in a log of so many bytes stands, from its last
// whole line alone: it reads the end of the log, needs no key and verifies nothing.
// A log that was altered gives an anchor of what it was altered to. It may be used
// while a process writes the log. The error is [ErrEmpty] where there is no chain,
// [ErrNewer], or the reader's.
func ReadHead(r io.ReaderAt, size int64) (Anchor, error) {
	t, err := readTail(r, size)
	if err != nil {
		return Anchor{}, err
	}
	if t.last == nil {
		return Anchor{}, ErrEmpty
	}
	return t.anchor(), nil
}

func (t *tail) anchor() (a Anchor) {
	a.Chain, a.Sequence, a.MAC = t.last.chain, t.last.seq, t.last.mac
	return a
}

// readTail finds the last line of a chain. Mostly it is the last line there is;
// only where none is near the end is all of the file read.
func readTail(r io.ReaderAt, size int64) (tail, error) {
	from := max(0, size-tailWindow)
	buf := make([]byte, size-from)
	if n, err := r.ReadAt(buf, from); n < len(buf) {
		return tail{}, fmt.Errorf("audit: %w", err)
	}
	for len(buf) > 0 {
		text, ended := bytes.CutSuffix(buf, []byte{'\n'})
		start := bytes.LastIndexByte(text, '\n') + 1
		if start == 0 && from > 0 {
			break // perhaps not the beginning of the line
		}
		l, err := parseLine(text[start:])
		if errors.Is(err, ErrNewer) {
			return tail{}, err
		}
		if err == nil {
			return tail{last: l, end: from + int64(len(buf)), open: !ended}, nil
		}
		buf = buf[:start]
	}
	if from == 0 {
		return tail{}, nil
	}
	return scanTail(io.NewSectionReader(r, 0, size))
}

// scanTail finds the last line of a chain from the beginning.
func scanTail(r io.Reader) (t tail, err error) {
	at := int64(0)
	for lines := newLines(r); ; {
		piece, whole, err := lines.next()
		if err == io.EOF {
			return t, nil
		}
		if err != nil {
			return tail{}, fmt.Errorf("audit: %w", err)
		}
		at += int64(len(piece))
		if !whole {
			continue
		}
		text, ended := bytes.CutSuffix(piece, []byte{'\n'})
		l, err := parseLine(text)
		if errors.Is(err, ErrNewer) {
			return tail{}, err
		}
		if err == nil {
			t = tail{last: l, end: at, open: !ended}
		}
	}
}
