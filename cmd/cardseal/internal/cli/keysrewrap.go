package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// rewrapped is a ring as keys rewrap tells of it.
type rewrapped struct {
	Ring            keys.Purpose `json:"ring"`
	Repository      string       `json:"repository,omitempty"` // whose own it is
	Keys            int          `json:"keys"`
	Moved           int          `json:"moved"`
	UnderReplicated int          `json:"underReplicated"`
	Others          int          `json:"others"`
	DryRun          bool         `json:"dryRun,omitempty"`
}

func (a *app) keysRewrap() *cobra.Command {
	var purpose, repository, actor string
	var o keys.RewrapOptions
	var asJSON bool
	c := &cobra.Command{
		Use: "rewrap", Short: "Move data keys to the newest version of the vault's key in the KMS",
		Long: `rewrap has the data keys wrapped anew under the newest version of the key-encryption
key. No record is touched, and services go on meanwhile. For each ring it tells how
many data keys there are that are not destroyed, how many of them were moved, how
many the KMS has not wrapped, and how many another key has wrapped too.

A run that was interrupted is made once more. A data key that fails is left as it was
and the others are moved; the exit status is 1 then.`,
		Example: `  cardseal keys rewrap
  cardseal keys rewrap --purpose pan --json
  cardseal keys rewrap --dry-run`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			var p keys.Purpose
			if purpose != "" {
				var err error
				if p, err = parsePurpose(purpose); err != nil {
					return err
				}
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
			return closed(v, a.rewrap(c.Context(), v, rings, who, &o, asJSON))
		}),
	}
	purposeFlag(c, &purpose, "one ring: pan, cvc, … (default all)")
	repositoryFlag(c, &repository)
	actorFlag(c, &actor)
	flags := c.Flags()
	flags.BoolVar(&o.DryRun, "dry-run", false, "only tell what there is; the KMS is not called")
	flags.BoolVar(&asJSON, "json", false, "one JSON object a ring")
	return c
}

// rewrap goes on with the next ring where one failed.
func (a *app) rewrap(ctx context.Context, v *vaultdir.Vault, rings []keyRing, actor string, o *keys.RewrapOptions, asJSON bool) error {
	var errs []error
	for i := range rings {
		ring := &rings[i]
		r, err := rewrapRecorded(ctx, v, ring, actor, o)
		errs = append(errs, err)
		if r.Keys == 0 && err == nil {
			continue
		}
		if err := a.showRewrapped(rewrapped{ring.purpose(), ring.repository, r.Keys, r.Moved, len(r.UnderReplicated), len(r.Others), o.DryRun}, asJSON); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return &failure{"interrupted; the same command goes on from there"}
		}
	}
	return errors.Join(errs...)
}

// rewrapRecorded writes nothing of a ring without keys, nor of a dry run.
func rewrapRecorded(ctx context.Context, v *vaultdir.Vault, ring *keyRing, actor string, o *keys.RewrapOptions) (keys.RewrapReport, error) {
	r, err := ring.Rewrap(ctx, &keys.RewrapOptions{DryRun: true})
	if o.DryRun || err != nil || r.Keys == 0 {
		return r, err
	}
	const lost = "data keys were moved, but the audit log could not be written; the same command does so"
	err = recorded(ctx, v, ringEvent(audit.RewrapKeys, actor, ring), lost, func(e *audit.Event) (err error) {
		r, err = ring.Rewrap(ctx, o)
		e.Reason += fmt.Sprintf(", %d data keys, %d moved", r.Keys, r.Moved)
		return err
	})
	return r, err
}

func (a *app) showRewrapped(r rewrapped, asJSON bool) error {
	if asJSON {
		return a.printJSON(r)
	}
	_, err := fmt.Fprintf(a.stdout, "%-9s  %d data keys, %d moved, %d not wrapped by the vault's key, %d wrapped by others too%s\n",
		r.Ring, r.Keys, r.Moved, r.UnderReplicated, r.Others, ofRepository(r.Repository))
	return err
}
