// Package progress shows how far a run is on a terminal, and nothing anywhere
// else.
package progress

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Bar is a line on the terminal: rows, rows a second, and the time left as the
// bytes of the input tell. The zero Bar shows nothing. It is not safe for
// concurrent use.
type Bar struct {
	bar   *progressbar.ProgressBar
	began time.Time
	first int64 // rows that an earlier run did
	seen  bool
}

// New returns a bar for an input of the given size in bytes, -1 where it is not
// known. It shows nothing unless w is a terminal.
func New(w io.Writer, size int64) *Bar {
	if !IsTerminal(w) {
		return &Bar{}
	}
	return &Bar{bar: progressbar.NewOptions64(size,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetWidth(30),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetPredictTime(size > 0),
		progressbar.OptionClearOnFinish(),
		progressbar.OptionSetDescription("0 rows"),
	)}
}

// Update shows that so many rows are done, which are so many bytes of the input.
func (b *Bar) Update(rows, offset int64) {
	if b.bar == nil {
		return
	}
	if !b.seen {
		b.seen, b.began, b.first = true, time.Now(), rows
	}
	text := fmt.Sprintf("%d rows", rows)
	if s := time.Since(b.began).Seconds(); s > 0.5 {
		text += fmt.Sprintf(", %.0f rows/s", float64(rows-b.first)/s)
	}
	b.bar.Describe(text)
	_ = b.bar.Set64(offset)
}

// Close takes the bar off the terminal.
func (b *Bar) Close() {
	if b.bar != nil {
		_ = b.bar.Clear()
	}
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
