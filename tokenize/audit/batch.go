package audit

import (
	"crypto/sha256"
	"fmt"
	"io"

	"github.com/cardseal/cardseal/crypto/chain"
)

// batch is lines that are written together, and the head after them.
type batch struct {
	file *File
	head chain.Head
	buf  []byte
}

// add appends a line and returns its length without its end.
func (w *batch) add(l line) int {
	f, from := w.file, len(w.buf)
	l.chain, l.seq, l.key = f.chain, w.head.Sequence+1, f.keyID
	w.buf = l.appendUnsigned(w.buf)
	w.head = f.key.Next(w.head, w.buf[from:])
	l.mac = w.head.MAC
	w.buf = append(l.appendMAC(w.buf), '\n')
	return len(w.buf) - from - 1
}

// settle has the batch begin with what the file needs before the next event: a line
// that begins the chain, and one that owns up to what is not of the chain. f.mu is
// held.
func (f *File) settle(w *batch) error {
	if err := f.takeBack(); err != nil {
		return err
	}
	info, err := f.file.Stat()
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	f.size = info.Size()
	if f.open {
		w.buf = append(w.buf, '\n')
	}
	var l line
	if f.size > f.end {
		if l.gap, err = f.gap(w); err != nil {
			return fmt.Errorf("audit: %w", err)
		}
	}
	if !f.begun {
		l.begin = true
		if f.after != nil {
			l.after = &f.after.MAC
		}
	}
	if l.begin || l.gap != nil {
		w.add(l)
	}
	return nil
}

// gap computes what lies between the chain's end and the file's, with a line end
// after it where it has none.
func (f *File) gap(w *batch) (*gap, error) {
	h, last := sha256.New(), lastByte('\n')
	n, err := io.Copy(io.MultiWriter(h, &last), io.NewSectionReader(f.file, f.end, f.size-f.end))
	if err != nil {
		return nil, err
	}
	g := &gap{bytes: uint64(n)}
	if last != '\n' {
		w.buf = append(w.buf, '\n')
		h.Write([]byte{'\n'})
		g.bytes++
	}
	h.Sum(g.sha256[:0])
	return g, nil
}

// lastByte keeps the last byte written to it.
type lastByte byte

func (l *lastByte) Write(b []byte) (int, error) {
	if len(b) > 0 {
		*l = lastByte(b[len(b)-1])
	}
	return len(b), nil
}
