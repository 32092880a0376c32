package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// purposes are the rings that a vault may have.
var purposes = []keys.Purpose{keys.PAN, keys.CVC, keys.Index, keys.Analytics, keys.FPE, keys.Capture, keys.Audit}

func (a *app) keysCommand() *cobra.Command {
	return group("keys", "Rings and their data keys", "  cardseal keys list\n  cardseal keys rotate --purpose pan\n  cardseal keys inventory",
		a.keysList(), a.keysRotate(), a.keysRewrap(), a.keysRetire(), a.keysDisable(), a.keysEnable(),
		a.keysCensus(), a.keysInventory(), a.keysDestroy(), a.keysReceipts())
}

// listedKey is a data key as keys list shows it.
type listedKey struct {
	Ring       keys.Purpose `json:"ring"`
	Repository string       `json:"repository,omitempty"` // whose own ring it is
	ID         string       `json:"id"`
	State      string       `json:"state"`
	Created    time.Time    `json:"created"`
	AgeDays    int          `json:"ageDays"`
}

func listed(repository string, r *keys.Record, now time.Time) listedKey {
	return listedKey{r.Ring.Purpose, repository, r.ID.String(), r.State.String(), r.Created, days(now.Sub(r.Created))}
}

func (a *app) keysList() *cobra.Command {
	var repository string
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the data keys of all rings",
		Long: `list shows each ring's data keys, oldest first: the active one seals, retired ones
only open. A ring has no key before it is first used. Rings that are a repository's own
(cardseal repo create --per-scope-keys) come last.`,
		Example: "  cardseal keys list --json",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			now := time.Now()
			err = eachKey(c.Context(), v, repository, func(id string, r *keys.Record) error {
				return a.showKey(listed(id, r, now), asJSON)
			})
			return closed(v, err)
		}),
	}
	repositoryFlag(c, &repository)
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// repositoryFlag names a repository that has rings of its own.
func repositoryFlag(c *cobra.Command, repository *string) {
	c.Flags().StringVar(repository, "repository", "", "a repository with keys of its own, and those alone")
}

func (a *app) showKey(k listedKey, asJSON bool) error {
	if asJSON {
		return a.printJSON(k)
	}
	_, err := fmt.Fprintf(a.stdout, "%-9s  %s  %-9s  %s  %d days%s\n",
		k.Ring, k.ID, k.State, k.Created.Format(time.RFC3339), k.AgeDays, ofRepository(k.Repository))
	return err
}

func days(d time.Duration) int { return int(d.Hours() / 24) }

func (a *app) keysRotate() *cobra.Command {
	var purpose, repository, actor string
	c := &cobra.Command{
		Use: "rotate", Short: "Make a new active key for a ring",
		Long: `rotate makes a new data key, which seals from now on, and retires the one before,
which goes on opening what it sealed.`,
		Example: "  cardseal keys rotate --purpose pan\n  cardseal keys rotate --purpose pan --repository SHOP",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			if err := needs("purpose", purpose); err != nil {
				return err
			}
			p, err := parsePurpose(purpose)
			if err != nil {
				return err
			}
			who, err := actorOf(actor)
			if err != nil {
				return err
			}
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			rings, err := keyRings(c.Context(), v, repository, p)
			if err != nil {
				return err
			}
			id, err := rotateRecorded(c.Context(), v, &rings[0], who)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(a.stdout, id); err != nil {
				return err
			}
			return v.Close()
		}),
	}
	purposeFlag(c, &purpose, "the ring: pan, cvc, …")
	repositoryFlag(c, &repository)
	actorFlag(c, &actor)
	return c
}

func rotateRecorded(ctx context.Context, v *vaultdir.Vault, r *keyRing, actor string) (id keys.KeyID, err error) {
	const lost = "the ring was rotated, but the audit log could not be written; see cardseal keys list"
	err = recorded(ctx, v, ringEvent(audit.RotateKey, actor, r), lost, func(e *audit.Event) error {
		id, err = r.Rotate(ctx)
		if _, ok := errors.AsType[*keys.OtherKEKsError](err); ok {
			return err // has words of its own
		}
		if errors.Is(err, keys.ErrNotRotatable) {
			return &failure{"ring " + string(r.purpose()) + ": " + err.Error()}
		}
		if err == nil {
			e.Reason = fmt.Sprintf("data key %v of ring %s is active", id, r.purpose())
		}
		return err
	})
	return id, err
}

func purposeFlag(c *cobra.Command, purpose *string, usage string) {
	c.Flags().StringVar(purpose, "purpose", "", usage)
	_ = c.RegisterFlagCompletionFunc("purpose", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		list := make([]string, len(purposes))
		for i, p := range purposes {
			list[i] = string(p)
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	})
}

func parsePurpose(text string) (keys.Purpose, error) {
	if p := keys.Purpose(text); slices.Contains(purposes, p) {
		return p, nil
	}
	return "", usagef("--purpose is not one of %s", purposeList)
}

const purposeList = "pan, cvc, index, analytics, fpe, capture, audit"
