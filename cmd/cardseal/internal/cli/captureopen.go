package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/tokenize"
)

// captureOpenFlags are the options of capture open.
type captureOpenFlags struct {
	alias, in, out, rejects string
	repository, reason      string
	actor                   string
	restart                 bool
}

func (a *app) captureOpen() *cobra.Command {
	var f captureOpenFlags
	c := &cobra.Command{
		Use: "open", Short: "Open what clients encrypted, for looking into it",
		Long: `open opens messages, one a line, and writes a JSON object a line: the names that were
encrypted, but for the security code, which is left out. A message may be of any age,
as long as its key is not retired, and is not spent; nothing is saved. Those that do
not open are in the rejects file.

Numbers are never written onto a terminal. Every message is written down in the
vault's audit.log, with the reason; without that, nothing is given out. A run that was
interrupted or killed leaves OUT.part, mode 0600, with numbers in it: the same command
goes on and gives it its name.`,
		Example: `  cardseal capture open --alias web --in messages.txt --out cards.jsonl --reason "dispute 4711"`,
		Args:    noArguments,
		RunE:    action(func(c *cobra.Command, _ []string) error { return a.openCaptured(c.Context(), &f) }),
	}
	flags := c.Flags()
	flags.StringVar(&f.alias, "alias", "", "the alias of the keys")
	flags.StringVar(&f.in, "in", "", `file with messages, "-" for standard input`)
	flags.StringVar(&f.out, "out", "", `file for the cards, "-" for standard output if that is no terminal`)
	flags.StringVar(&f.rejects, "rejects", "", "file for refused messages (default OUT"+rejectsSuffix+"; standard error with --out -)")
	flags.StringVar(&f.reason, "reason", "", "why the cards are needed, for the record")
	flags.BoolVar(&f.restart, "restart", false, "forget an interrupted run of this command and begin anew")
	captureFlags(c, &f.repository, &f.actor)
	_ = c.MarkFlagFilename("in")
	_ = c.MarkFlagFilename("out")
	return c
}

func (a *app) openCaptured(ctx context.Context, f *captureOpenFlags) error {
	if err := errors.Join(needs("alias", f.alias), needs("in", f.in), needs("out", f.out), needs("reason", f.reason)); err != nil {
		return err
	}
	actor, in, err := a.openForNumbers(&f.in, &f.out, &f.rejects, f.reason, f.actor)
	if err != nil {
		return err
	}
	defer in.Close()
	in.reader.Again() // no line is a header
	v, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	repo, err := repository(ctx, v, f.repository)
	if err != nil {
		return err
	}
	caller := tokenize.Caller{Owner: actor, Permissions: tokenize.MayReveal}
	return closed(v, a.bulk(ctx, in, &bulk.Run{
		Caller: caller,
		Out:    f.out, Rejects: f.rejects, Restart: f.restart, Secret: true,
		Name:       "capture open 1 " + f.alias,
		Repository: repo,
		Work:       bulk.Open(repo, caller, f.alias, f.reason),
	}, "opened"))
}
