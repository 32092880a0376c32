// Command cardseal is the command line of the library: it turns files of card
// numbers into tokens and back, and looks after a vault's repositories and keys.
// See cardseal --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/cli"
)

// memory is what the program holds itself to, in bytes: files of any length go
// through it in constant memory.
const memory = 96 << 20

func main() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memory)
	}
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop() // the batch in hand is finished
		<-signals
		os.Exit(cli.ExitFailed)
	}()
	os.Exit(cli.Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
