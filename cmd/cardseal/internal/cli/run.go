package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize/generate"
)

// Exit statuses.
const (
	ExitDone   = 0
	ExitFailed = 1
	ExitUsage  = 2 // wrong use: nothing was begun
	ExitPart   = 3 // done, but for some rows that were refused
)

// app is what the commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	dir            string // --dir
	passphraseFile string // --passphrase-file
}

// usageError is a command that was used wrongly.
type usageError struct{ text string }

func (e *usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// errPart is a command that was carried out but for some rows.
var errPart = errors.New("some rows were refused")

// Run carries out a command line, without the program's name, and returns the
// exit status. When ctx ends, a long command stops between two batches.
func Run(ctx context.Context, args []string, in io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: newStdin(ctx, in), stdout: stdout, stderr: stderr}
	if err := checkArguments(args); err != nil {
		return a.report(err)
	}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil && !isOurs(err) && anyDigits(args) {
		// The command library repeats arguments.
		err = usagef("wrong use; see --help (an argument looks like a number and is not repeated)")
	}
	return a.report(err)
}

// report tells what went wrong and returns the exit status.
func (a *app) report(err error) int {
	if err == nil {
		return ExitDone
	}
	if errors.Is(err, errPart) {
		return ExitPart // the command said so
	}
	text, status := explain(err)
	fmt.Fprintln(a.stderr, "cardseal: "+text)
	return status
}

func (a *app) warn(line string) { fmt.Fprintln(a.stderr, "cardseal: "+line) }

func (a *app) root() *cobra.Command {
	c := &cobra.Command{
		Use:   "cardseal",
		Short: "Card numbers into tokens and back, sealed under keys of their own",
		Long: `cardseal keeps card numbers sealed in a vault and hands out tokens for them.

Card numbers are read from files or standard input, never from arguments. Results
go to standard output, everything else to standard error.

Exit status: 0 done, 1 failed, 2 wrong use, 3 done but for some rows, which are in
the rejects file with their line numbers and reasons.`,
		Example: `  cardseal tokenize --in cards.csv --out tokens.csv
  cardseal detokenize --in tokens.csv --out numbers.csv --reason "settlement 2026-11"
  cardseal card --json < numbers.txt
  cardseal doctor`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("there is no such command; see --help")
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			_ = c.Help()
			return nil
		},
	}
	flags := c.PersistentFlags()
	flags.StringVar(&a.dir, "dir", "", "the vault's folder (default $CARDSEAL_DIR, else $XDG_DATA_HOME/cardseal/default)")
	flags.StringVar(&a.passphraseFile, "passphrase-file", "",
		"file whose first line is the passphrase (default $CARDSEAL_PASSPHRASE_FILE, else asked for)")
	_ = c.MarkPersistentFlagDirname("dir")
	_ = c.MarkPersistentFlagFilename("passphrase-file")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &flagError{err} })
	c.SetHelpCommand(helpCommand())
	c.AddCommand(
		a.initCommand(),
		a.cardCommand(),
		a.tokenizeCommand(),
		a.detokenizeCommand(),
		a.repoCommand(),
		a.tokenCommand(),
		a.cvcCommand(),
		a.keysCommand(),
		a.kekCommand(),
		a.reindexCommand(),
		a.resealCommand(),
		a.storeCommand(),
		a.inspectCommand(),
		a.captureCommand(),
		a.ff1Command(),
		a.doctorCommand(),
		a.auditCommand(),
	)
	return c
}

// flagError is the command library's own finding.
type flagError struct{ err error }

func (e *flagError) Error() string { return e.err.Error() }
func (e *flagError) Unwrap() error { return e.err }

// checkArguments refuses a command line with a card number in it: it is in the
// shell's history and in the list of processes by now. A token of sixteen digits
// may look like one, and a key's ID have one in it.
func checkArguments(args []string) error {
	for _, arg := range args {
		if namesCard(arg) && !generate.IsRandomWithLuhn(arg) && !isKeyID(strings.TrimPrefix(arg, "--confirm=")) {
			return usagef("an argument looks like a card number. Numbers are read from files or standard input only: " +
				"an argument stays in the shell's history and is seen by every process")
		}
	}
	return nil
}

// namesCard reports an argument that has a card number in it. Of a path each
// element is looked at as a whole, without what follows a full stop: names of
// temporary folders have long numbers in them that are none.
func namesCard(arg string) bool {
	if !strings.Contains(arg, "/") {
		return rows.HoldsPAN(arg)
	}
	arn := strings.Contains(arg, "aws-kms://arn:") // has an account of twelve digits in it
	for _, element := range strings.FieldsFunc(arg, func(c rune) bool { return strings.ContainsRune("/:=", c) }) {
		stem, _, _ := strings.Cut(element, ".")
		if arn && len(element) == 12 {
			continue
		}
		if strings.Trim(stem, "0123456789 -") == "" && rows.HoldsPAN(stem) {
			return true
		}
	}
	return false
}

func anyDigits(args []string) bool {
	for _, arg := range args {
		if rows.ManyDigits(arg) {
			return true
		}
	}
	return false
}

// group is a command that only has commands under it.
func group(use, short, example string, under ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Example: example,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("%s has no such command; see --help", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error {
			return usagef("%s needs one of: %s", c.CommandPath(), names(c))
		},
	}
	c.AddCommand(under...)
	return c
}

func names(c *cobra.Command) string {
	var list []string
	for _, sub := range c.Commands() {
		list = append(list, sub.Name())
	}
	return strings.Join(list, ", ")
}

// needs refuses a command without a flag it cannot do without.
func needs(name, value string) error {
	if value == "" {
		return usagef("--%s is needed", name)
	}
	return nil
}
