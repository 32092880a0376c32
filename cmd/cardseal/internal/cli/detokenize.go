package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/progress"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/rows"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// detokenizeFlags are the options of detokenize.
type detokenizeFlags struct {
	in, out, rejects string
	repository       string
	column           string
	reason           string
	actor            string
	restart          bool
}

// auditRun is the event of a whole run, beside those of its tokens.
const auditRun audit.Action = "detokenize"

func (a *app) detokenizeCommand() *cobra.Command {
	var f detokenizeFlags
	c := &cobra.Command{
		Use:   "detokenize",
		Short: "Tokens in, card numbers out",
		Long: `detokenize gives card numbers back.

The input is CSV with a column called token, or one token a line; "-" is standard
input. In the output the numbers stand in the tokens' place, in the same order, under
the name number; other columns stay. Tokens that are not found are refused and are
in the rejects file.

Numbers are never written onto a terminal. The run and every token are written down
in the vault's audit.log, with the reason; without that, nothing is given out. A run
that was interrupted or killed leaves OUT.part, mode 0600, with numbers in it: the
same command goes on and gives it its name.`,
		Example: `  cardseal detokenize --in tokens.csv --out numbers.csv --reason "settlement 2026-11"
  cardseal detokenize --in - --out - --reason "migration to the new processor" < tokens.txt | ./send-to-processor`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error { return a.detokenize(c.Context(), &f) }),
	}
	flags := c.Flags()
	flags.StringVar(&f.in, "in", "", `file with tokens, "-" for standard input`)
	flags.StringVar(&f.out, "out", "", `file for the numbers, "-" for standard output if that is no terminal`)
	flags.StringVar(&f.rejects, "rejects", "", "file for refused rows (default OUT"+rejectsSuffix+"; standard error with --out -)")
	flags.StringVar(&f.repository, "repository", defaultRepository, "the repository's ID")
	flags.StringVar(&f.column, "token-column", "", "name of the column of tokens (default token)")
	flags.StringVar(&f.reason, "reason", "", "why the numbers are needed, for the record")
	flags.StringVar(&f.actor, "actor", "", "who does it, for the record (default the user)")
	flags.BoolVar(&f.restart, "restart", false, "forget an interrupted run of this command and begin anew")
	_ = c.MarkFlagFilename("in")
	_ = c.MarkFlagFilename("out")
	return c
}

func (a *app) detokenize(ctx context.Context, f *detokenizeFlags) error {
	if err := errors.Join(needs("in", f.in), needs("out", f.out), needs("reason", f.reason)); err != nil {
		return err
	}
	actor, in, err := a.openForNumbers(&f.in, &f.out, &f.rejects, f.reason, f.actor)
	if err != nil {
		return err
	}
	defer in.Close()
	header, at, err := f.columns(in)
	if err != nil {
		return err
	}
	v, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	repo, err := repository(ctx, v, f.repository)
	if err != nil {
		return err
	}
	run := audit.Event{Action: auditRun, Repository: repo.Config().ID, Owner: actor, Reason: f.reason, Outcome: "begun"}
	if err := v.Record(ctx, run); err != nil {
		return err
	}
	caller := tokenize.Caller{Owner: actor, Permissions: tokenize.MayReveal}
	err = a.bulk(ctx, in, &bulk.Run{
		Caller: caller,
		Out:    f.out, Rejects: f.rejects, Restart: f.restart, Secret: true,
		Name:       fmt.Sprintf("detokenize 1 %d %d", header.Len(), at),
		Repository: repo,
		Work:       bulk.Detokenize(repo, caller, f.reason, header, at),
	}, "detokenized")
	run.Outcome = audit.Done
	if err != nil && !errors.Is(err, errPart) {
		run.Outcome = audit.Failed
	}
	if rerr := v.Record(context.WithoutCancel(ctx), run); err == nil {
		err = rerr
	}
	return closed(v, err)
}

// checkReason holds the reason to what the audit log takes.
func checkReason(reason string) error {
	for _, c := range []byte(reason) {
		if c < 0x20 || c > 0x7e {
			return usagef("--reason must be printable ASCII")
		}
	}
	if len(reason) > 255 {
		return usagef("--reason must be at most 255 bytes")
	}
	return nil
}

// openForNumbers opens the input of a command that writes card numbers to a file, once
// all that can be refused before is as it must be, and returns who gives it.
func (a *app) openForNumbers(in, out, rejects *string, reason, actor string) (who string, opened *input, err error) {
	if err := checkReason(reason); err != nil {
		return "", nil, err
	}
	if err := a.refuseTerminal(*out, "card numbers"); err != nil {
		return "", nil, err
	}
	if err := paths(in, out, rejects); err != nil {
		return "", nil, err
	}
	if who, err = actorOf(actor); err != nil {
		return "", nil, err
	}
	opened, err = a.openInput(*in)
	return who, opened, err
}

// refuseTerminal refuses to show numbers or codes.
func (a *app) refuseTerminal(out, what string) error {
	terminal := out == "-" && progress.IsTerminal(a.stdout)
	if info, err := os.Stat(out); out != "-" && err == nil && info.Mode()&os.ModeCharDevice != 0 {
		terminal = true
	}
	if terminal {
		return usagef("%s are not written onto a terminal: name a file with --out, or send standard output to one", what)
	}
	return nil
}

// columns finds the column of tokens, or sees that the file has none.
func (f *detokenizeFlags) columns(in *input) (rows.Header, int, error) {
	h, err := rows.ParseHeader(in.first)
	if err != nil {
		return h, 0, usagef("the first line of %s %s", in.name, rows.ReasonQuote)
	}
	named := f.column
	if named == "" {
		named = "token"
	}
	if _, ok := h.Find(named); !ok && h.Len() == 1 && f.column == "" {
		in.reader.Again()
		return rows.Header{}, 0, nil
	}
	i, err := column(h, in, "token-column", f.column, "token")
	if err != nil {
		return h, 0, err
	}
	if _, taken := h.Find("number"); taken {
		return h, 0, usagef("%s has a column number already, which is where the numbers would go", in.name)
	}
	return h, i, nil
}
