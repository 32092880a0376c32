package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/cardseal/cardseal/keys"
)

// confirmDestroy has the key's ID typed on the terminal, which need not be standard
// input.
func (a *app) confirmDestroy(ctx context.Context, r *keys.Record, lost uint64) error {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return usagef("there is no terminal to ask on; give the key's ID once more with --confirm")
	}
	defer tty.Close()
	return askDestroy(ctx, tty, r, lost)
}

func askDestroy(ctx context.Context, tty io.ReadWriter, r *keys.Record, lost uint64) error {
	fmt.Fprintf(tty, "Data key %v of ring %s, %v, made %s.\n", r.ID, r.Ring.Purpose, r.State, r.Created.Format("2006-01-02"))
	if lost > 0 {
		fmt.Fprintf(tty, "%d records need it and are lost with it.\n", lost)
	}
	fmt.Fprint(tty, "It cannot be taken back. Type the key's ID to destroy it: ")
	typed, err := bufio.NewReader(io.LimitReader(newStdin(ctx, tty), 256)).ReadString('\n')
	if ctx.Err() != nil {
		return &failure{"interrupted"}
	}
	if err != nil && err != io.EOF {
		return &failure{"the terminal cannot be read"}
	}
	if !confirms(typed, r.ID) {
		return errNotConfirmed
	}
	return nil
}
