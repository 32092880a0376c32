package bulk

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
)

// write writes a batch's lines and moves on behind it.
func (l *loop) write(b *reading) error {
	l.outBuf, l.refused = l.outBuf[:0], l.refused[:0]
	for i := range b.lines {
		var why *Refusal
		if l.outBuf, why = b.batch.Append(l.outBuf, i); why != nil {
			l.refused = append(l.refused, refused{l.cur.Line + int64(i) + 1, *why})
		}
	}
	if err := l.writeRefused(); err != nil {
		return err
	}
	if _, err := l.out.Write(l.outBuf); err != nil {
		return err
	}
	clear(l.outBuf)
	l.cur.Out += int64(len(l.outBuf))
	l.cur.Offset, l.cur.Line, l.cur.Lines = b.offset, b.line, 0
	l.cur.Rows += int64(b.lines)
	l.cur.Refused += int64(len(l.refused))
	if l.run.Progress != nil {
		l.run.Progress.Update(l.cur.Rows, l.cur.Offset)
	}
	return nil
}

func (l *loop) writeRefused() error {
	if len(l.refused) == 0 {
		return nil
	}
	counted := &counter{w: l.rejects}
	w := csv.NewWriter(counted)
	if !l.begun {
		l.begun = true
		_ = w.Write([]string{"line", "field", "reason"})
	}
	for _, r := range l.refused {
		_ = w.Write([]string{strconv.FormatInt(r.line, 10), r.why.Field, r.why.Reason})
	}
	w.Flush()
	l.cur.Rejects += counted.n
	if err := w.Error(); err != nil {
		return fmt.Errorf("rejects: %w", err)
	}
	return nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
