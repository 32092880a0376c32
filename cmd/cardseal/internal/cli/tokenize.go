package cli

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/tokenize"
)

// tokenizeFlags are the options of tokenize.
type tokenizeFlags struct {
	in, out, rejects           string
	repository                 string
	generation, management     string
	numberColumn, expiryColumn string
	keep                       []string
	actor                      string
	restart                    bool
}

func (a *app) tokenizeCommand() *cobra.Command {
	var f tokenizeFlags
	c := &cobra.Command{
		Use:   "tokenize",
		Short: "Card numbers in, tokens out",
		Long: `tokenize saves the card numbers of a file and writes their tokens.

The input is CSV with a header, or one number a line; "-" is standard input. The
column of numbers is the one that --number-column names, or is called number, pan,
card_number or cardnumber. Spaces and hyphens within a number are taken. One line is
one row: a quoted field may not hold a line break.

The output is CSV: token, masked, brand, and the columns of --keep-columns. Columns
of security codes are refused by their name before anything begins; a row with a
kept value that passes as a card number is refused alone. Refused rows are in the
rejects file (default OUT.rejects.csv) with line, field and reason.

Output is written to OUT.part and gets its name at the end; nothing is written over.
If the run is interrupted or killed, the same command goes on where it stopped, and
no card is saved twice. That needs files: what comes from standard input or goes to
standard output cannot go on.

The default vault and the repository are made on first use.`,
		Example: `  cardseal tokenize --in cards.csv --out tokens.csv
  cardseal tokenize --in cards.csv --out tokens.csv --number-column pan --expiry-column exp --keep-columns customer,ref
  cardseal tokenize --in cards.csv --out tokens.csv --repository SHOP --generation PRESERVE_6_4 --management UNIQUE_TOKEN
  cat numbers.txt | cardseal tokenize --in - --out -`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error { return a.tokenize(c.Context(), &f) }),
	}
	flags := c.Flags()
	flags.StringVar(&f.in, "in", "", `file with card numbers, "-" for standard input`)
	flags.StringVar(&f.out, "out", "", `file for the tokens, "-" for standard output`)
	flags.StringVar(&f.rejects, "rejects", "", "file for refused rows (default OUT"+rejectsSuffix+"; standard error with --out -)")
	flags.StringVar(&f.repository, "repository", defaultRepository, "the repository's ID")
	flags.StringVar(&f.generation, "generation", "", "how tokens are made: RANDOM_WITH_LUHN (default), PRESERVE_6_4, UUID, FF1")
	flags.StringVar(&f.management, "management", "", "tokens of a card: UNIQUE_CARD (default) or UNIQUE_TOKEN")
	flags.StringVar(&f.numberColumn, "number-column", "", "name of the column of numbers")
	flags.StringVar(&f.expiryColumn, "expiry-column", "", "name of the column of expiry dates, MMYY or MM/YY (default none)")
	flags.StringSliceVar(&f.keep, "keep-columns", nil, "columns to copy to the output, separated by commas")
	flags.StringVar(&f.actor, "actor", "", "who does it, for the record (default the user)")
	flags.BoolVar(&f.restart, "restart", false, "forget an interrupted run of this command and begin anew")
	_ = c.MarkFlagFilename("in")
	_ = c.MarkFlagFilename("out")
	return c
}

func (a *app) tokenize(ctx context.Context, f *tokenizeFlags) error {
	if err := errors.Join(needs("in", f.in), needs("out", f.out)); err != nil {
		return err
	}
	if err := paths(&f.in, &f.out, &f.rejects); err != nil {
		return err
	}
	actor, err := actorOf(f.actor)
	if err != nil {
		return err
	}
	wanted, err := f.config()
	if err != nil {
		return err
	}
	in, err := a.openInput(f.in)
	if err != nil {
		return err
	}
	defer in.Close()
	cols, err := f.columns(in)
	if err != nil {
		return err
	}
	if err := a.refuseEarly(f.out); err != nil {
		return err
	}
	v, err := a.openOrMake(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	repo, err := a.ensure(ctx, v, wanted, f)
	if err != nil {
		return err
	}
	if repo.Config().RequireExpiry && cols.Expiry < 0 {
		return usagef("repository %s demands an expiry: name its column with --expiry-column", repo.Config().ID)
	}
	caller := tokenize.Caller{Owner: actor, Permissions: tokenize.MaySave}
	err = a.bulk(ctx, in, &bulk.Run{
		Caller: caller,
		Out:    f.out, Rejects: f.rejects, Restart: f.restart,
		Name:       f.name(cols),
		Repository: repo,
		Work:       bulk.Tokenize(repo, caller, cols),
	}, "tokenized")
	return closed(v, err)
}

// closed closes the vault; a failure to do so is one of the command.
func closed(v *vaultdir.Vault, err error) error {
	if cerr := v.Close(); err == nil {
		err = cerr
	}
	return err
}

// refuseEarly refuses an output that exists where no earlier run can have made
// it, before a vault is made for nothing.
func (a *app) refuseEarly(out string) error {
	if out == "-" {
		return nil
	}
	if _, err := os.Lstat(out); err != nil {
		return nil // not there, or reported when it is made
	}
	dir, _, err := a.locate()
	if err != nil {
		return err
	}
	if _, err := vaultdir.Find(dir); errors.Is(err, vaultdir.ErrMissing) {
		return &failure{(&bulk.ExistsError{Path: out}).Error()}
	}
	return nil
}

// config is the repository that the options ask for; zero where they leave it
// open.
func (f *tokenizeFlags) config() (c tokenize.Config, err error) {
	c.ID = f.repository
	if f.generation != "" {
		if err := c.Generation.UnmarshalText([]byte(f.generation)); err != nil {
			return c, usagef("--generation must be one of RANDOM_WITH_LUHN, PRESERVE_6_4, UUID, FF1")
		}
		if c.Generation == tokenize.MerchantProvided {
			return c, usagef("--generation MERCHANT_PROVIDED takes tokens from its callers; this command makes them")
		}
	}
	if f.management != "" {
		if err := c.Management.UnmarshalText([]byte(f.management)); err != nil {
			return c, usagef("--management must be UNIQUE_CARD or UNIQUE_TOKEN")
		}
	}
	return c, nil
}

// ensure finds the repository, or makes it.
func (a *app) ensure(ctx context.Context, v *vaultdir.Vault, want tokenize.Config, f *tokenizeFlags) (*tokenize.Repository, error) {
	configs, err := v.Vault.Repositories(ctx)
	if err != nil {
		return nil, err
	}
	for _, have := range configs {
		if have.ID != want.ID {
			continue
		}
		if want.Generation != 0 && want.Generation != have.Generation ||
			want.Management != 0 && want.Management != have.Management {
			return nil, usagef("repository %s exists with %v and %v, which cannot be changed", have.ID, have.Generation, have.Management)
		}
		if have.Generation == tokenize.MerchantProvided {
			return nil, usagef("repository %s takes tokens from its callers (MERCHANT_PROVIDED); this command makes them", have.ID)
		}
		return v.Vault.Repository(ctx, have.ID)
	}
	if want.Generation == 0 {
		want.Generation = tokenize.RandomWithLuhn
	}
	if want.Management == 0 {
		want.Management = tokenize.UniqueCard
	}
	repo, err := v.Vault.EnsureRepository(ctx, want)
	if err != nil {
		return nil, err
	}
	a.warn(fmt.Sprintf("made repository %s: %v, %v", want.ID, want.Generation, want.Management))
	return repo, nil
}
