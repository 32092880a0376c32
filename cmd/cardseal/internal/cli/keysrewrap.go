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
		Use: "rewrap", Short: "Move data keys to the newest versions of the vault's keys in the KMS",
		Long: `rewrap has the data keys wrapped anew under the newest version of each key-encryption
key that the settings name, and completes what one of them has not wrapped. No record
is touched, and services go on meanwhile. For each ring it tells how many data keys
there are that are not destroyed, how many of them were moved, how many not all of the
vault's keys have wrapped, and how many another key, an old one say, has wrapped too.

--drop-others removes what others have wrapped, where enough of the vault's own keys
were seen to open: the last step of a move to another key (cardseal kek --help). A
service that has only a key that is dropped opens nothing any more.

A run that was interrupted is made once more. A data key that fails is left as it was
and the others are moved; the exit status is 1 then.`,
		Example: `  cardseal keys rewrap
  cardseal keys rewrap --purpose pan --json
  cardseal keys rewrap --dry-run
  cardseal keys rewrap --drop-others`,
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
			if o.DropOthers && v.Lacks {
				return &failure{"a key of the vault could not be opened, and what it wrapped might be dropped with the others: try again when it is back, or take it out of the settings"}
			}
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
	flags.BoolVar(&o.DropOthers, "drop-others", false, "remove what keys have wrapped that are old, or not in the settings")
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
	_, err := fmt.Fprintf(a.stdout, "%-9s  %d data keys, %d moved, %d not wrapped by all of the vault's keys, %d wrapped by others too%s\n",
		r.Ring, r.Keys, r.Moved, r.UnderReplicated, r.Others, ofRepository(r.Repository))
	return err
}
