package cli

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"

	"golang.org/x/term"

	"github.com/cardseal/cardseal/tokenize/card"
)

// maxCodeLine is the longest line that a code is read from, in bytes.
const maxCodeLine = 64

// readCode reads a security code: a line of standard input, which is not shown where
// that is a terminal.
func (a *app) readCode(ctx context.Context) (card.CVC, error) {
	line, err := a.codeLine(ctx)
	defer clear(line)
	if err != nil {
		return card.CVC{}, err
	}
	end := len(line)
	for end > 0 && (line[end-1] == '\n' || line[end-1] == '\r') {
		end--
	}
	if end == 0 {
		return card.CVC{}, usagef("the security code is read from standard input, which has none")
	}
	c, err := card.ParseCVC(line[:end])
	if e, ok := errors.AsType[*card.Error](err); ok {
		return card.CVC{}, usagef("%s %s", e.Field, e.Reason)
	}
	return c, err
}

func (a *app) codeLine(ctx context.Context) ([]byte, error) {
	if s, ok := a.stdin.(*stdin); ok {
		if tty, ok := s.r.(*os.File); ok && term.IsTerminal(int(tty.Fd())) {
			return hidden(ctx, tty, a.stderr, "Security code: ", "security code")
		}
	}
	line, err := bufio.NewReaderSize(io.LimitReader(a.stdin, maxCodeLine), maxCodeLine).ReadSlice('\n')
	if errors.Is(err, io.EOF) || errors.Is(err, bufio.ErrBufferFull) {
		err = nil // no code is as long
	}
	return line, err
}
