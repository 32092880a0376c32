package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/progress"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
)

// resealFlags are the options of reseal.
type resealFlags struct {
	ring       string
	repository string
	rate       int
	actor      string
	asJSON     bool
}

// resealers are what reseal does for each ring, or why there is nothing to do.
var resealers = map[keys.Purpose]struct {
	run func(*app, context.Context, *vaultdir.Vault, *resealFlags) error
	why string
}{
	keys.PAN:       {run: (*app).resealCards},
	keys.CVC:       {run: (*app).resealCodes},
	keys.Index:     {why: "cards are found by its keys, and not sealed under them; cardseal reindex replaces them"},
	keys.Analytics: {why: "a repository makes its analytics tokens under one key for good"},
	keys.FPE:       {why: "a repository makes its FF1 tokens under one key for good"},
	keys.Capture:   {run: (*app).resealCaptureKeys},
	keys.Audit:     {why: "the lines of an audit log are as they were written; their key is needed to verify them"},
}

func (a *app) resealCommand() *cobra.Command {
	var f resealFlags
	c := &cobra.Command{
		Use:   "reseal",
		Short: "Bring records under the active keys",
		Long: `reseal opens what was sealed under earlier data keys and seals it anew under the active
one, so that no record needs the earlier ones: cardseal keys census shows it, and they
can be destroyed. Tokens stay as they are, and services go on all the while.

Run it once the processes that seal have heard of a rotation, that is five minutes
after it unless their seal lease is another. A run that was interrupted or killed is
continued by the same command, and one that is made twice does no harm.

With --ring cvc it does so with the security codes that issuers' repositories keep;
those of others end with their keys and need none of it.

A card that cannot be opened stays under its key, and its token is named; all others
are done, and the exit status is 3.`,
		Example: `  cardseal keys rotate --purpose pan
  cardseal reseal
  cardseal reseal --repository SHOP --rows-per-second 2000
  cardseal reseal --ring cvc`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error { return a.reseal(c.Context(), &f) }),
	}
	flags := c.Flags()
	flags.StringVar(&f.ring, "ring", string(keys.PAN), "the ring: pan, cvc for an issuer's codes, or capture for the keys that clients encrypt cards to")
	flags.StringVar(&f.repository, "repository", "", "the repository's ID (default all)")
	flags.IntVar(&f.rate, "rows-per-second", 0, "at most so many rows a second, of ring pan (default as fast as it goes)")
	flags.StringVar(&f.actor, "actor", "", "who does it, for the record (default the user)")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object a repository")
	return c
}

func (a *app) reseal(ctx context.Context, f *resealFlags) error {
	if f.rate < 0 {
		return usagef("--rows-per-second must not be negative")
	}
	switch r, ok := resealers[keys.Purpose(f.ring)]; {
	case !ok:
		return usagef("--ring is not one of %s", purposeList)
	case r.run == nil:
		return usagef("ring %s: %s", f.ring, r.why)
	default:
		v, err := a.open(ctx)
		if err != nil {
			return err
		}
		defer v.Close()
		return closed(v, r.run(a, ctx, v, f))
	}
}

// resealed is a repository as reseal tells of it.
type resealed struct {
	Ring       keys.Purpose `json:"ring"`
	Repository string       `json:"repository"`
	Key        string       `json:"key"`
	Changed    int64        `json:"changed"`
	Left       int64        `json:"left"`
}

// resealCards goes on with the next repository where cards of one are left.
func (a *app) resealCards(ctx context.Context, v *vaultdir.Vault, f *resealFlags) error {
	actor, err := actorOf(f.actor)
	if err != nil {
		return err
	}
	repos, err := a.repositories(ctx, v, f.repository)
	if err != nil {
		return err
	}
	left := int64(0)
	for _, repo := range repos {
		p, err := a.resealOne(ctx, repo, tokenize.Caller{Owner: actor, Permissions: tokenize.MayUpdate}, f)
		if err != nil {
			return err
		}
		left += p.Left
	}
	if left > 0 {
		a.warn(fmt.Sprintf("%d cards cannot be opened and stay under their keys; their tokens are named above. All others are done", left))
		return errPart
	}
	return nil
}

func (a *app) resealOne(ctx context.Context, repo *tokenize.Repository, c tokenize.Caller, f *resealFlags) (tokenize.Progress, error) {
	id := repo.Config().ID
	bar := progress.New(a.stderr, -1)
	p, err := repo.Reseal(ctx, tokenize.ResealOptions{
		Caller: c, RowsPerSecond: f.rate,
		OnProgress: func(p tokenize.Progress) { bar.Update(p.Rows, p.Rows) },
		OnLeft:     a.leaves(id),
	})
	bar.Close()
	switch {
	case ctx.Err() != nil && err != nil:
		return p, &failure{fmt.Sprintf("interrupted in %s after %d rows; the same command goes on from there", id, p.Rows)}
	case err != nil && !errors.Is(err, tokenize.ErrUnsealed):
		return p, err
	}
	if f.asJSON {
		return p, a.printJSON(resealed{keys.PAN, id, keyText(p.Key), p.Changed, p.Left})
	}
	if p.Key.IsZero() {
		_, err = fmt.Fprintf(a.stdout, "%s  has nothing sealed\n", id)
	} else {
		_, err = fmt.Fprintf(a.stdout, "%s  is sealed under %s; %d rows written, %d left\n", id, p.Key, p.Changed, p.Left)
	}
	return p, err
}
