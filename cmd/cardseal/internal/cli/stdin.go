package cli

import (
	"context"
	"io"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
)

// stdin is standard input that stops waiting when its context ends: a terminal
// or pipe may never say anything. A read under way is left behind; the process
// ends soon after.
type stdin struct {
	ctx  context.Context
	r    io.Reader
	buf  []byte
	rest []byte // read, not yet handed out
	err  error
}

func newStdin(ctx context.Context, r io.Reader) *stdin {
	return &stdin{ctx: ctx, r: r, buf: make([]byte, 64<<10)}
}

func (s *stdin) Read(p []byte) (int, error) {
	for len(s.rest) == 0 {
		if s.ctx.Err() != nil {
			return 0, bulk.ErrInterrupted
		}
		if s.err != nil {
			return 0, s.err
		}
		type got struct {
			n   int
			err error
		}
		done := make(chan got, 1)
		go func() {
			n, err := s.r.Read(s.buf)
			done <- got{n, err}
		}()
		select {
		case <-s.ctx.Done():
			return 0, bulk.ErrInterrupted
		case g := <-done:
			s.rest, s.err = s.buf[:g.n], g.err
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}
