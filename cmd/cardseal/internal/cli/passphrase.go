package cli

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/term"
)

// envPassphraseFile names a file whose first line is the passphrase.
const envPassphraseFile = "CARDSEAL_PASSPHRASE_FILE"

// passphrase returns what asks for the passphrase: a file's first line, else the
// terminal, twice for a new one.
func (a *app) passphrase(ctx context.Context, twice bool) func() ([]byte, error) {
	return func() ([]byte, error) {
		path := a.passphraseFile
		if path == "" {
			path = os.Getenv(envPassphraseFile)
		}
		if path != "" {
			return firstLine(path)
		}
		first, err := a.ask(ctx, "Passphrase: ")
		if err != nil || !twice {
			return first, err
		}
		second, err := a.ask(ctx, "Once more: ")
		defer clear(second)
		if err == nil && !bytes.Equal(first, second) {
			err = &failure{"the two passphrases are not the same"}
		}
		if err != nil {
			clear(first)
			return nil, err
		}
		return first, nil
	}
}

// maxPassphrase is the longest first line taken from a file, in bytes.
const maxPassphrase = 1024

func firstLine(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxPassphrase+2)).ReadBytes('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("passphrase: %w", err)
	}
	line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
	if len(line) == 0 || len(line) > maxPassphrase {
		return nil, &failure{path + " has no passphrase of 1 to 1024 bytes in its first line"}
	}
	return line, nil
}

// ask reads the passphrase from the terminal, which need not be standard input.
func (a *app) ask(ctx context.Context, prompt string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, &failure{"the key needs a passphrase and there is no terminal to ask on; name a file with --passphrase-file or " +
			envPassphraseFile}
	}
	defer tty.Close()
	return hidden(ctx, tty, tty, prompt, "passphrase")
}

// hidden reads a line from a terminal without showing it. The terminal shows text
// again if ctx ends first.
func hidden(ctx context.Context, tty *os.File, show io.Writer, prompt, what string) ([]byte, error) {
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		return nil, &failure{"the terminal cannot be used to ask for the " + what}
	}
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	fmt.Fprint(show, prompt)
	go func() {
		line, err := term.ReadPassword(int(tty.Fd()))
		got <- answer{line, err}
	}()
	select {
	case <-ctx.Done():
		_ = term.Restore(int(tty.Fd()), before)
		fmt.Fprintln(show)
		return nil, &failure{"interrupted"}
	case g := <-got:
		fmt.Fprintln(show)
		if g.err != nil {
			return nil, &failure{"no " + what + " was given"}
		}
		return g.line, nil
	}
}
