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
	Keys            int          `json:"keys"`
	Moved           int          `json:"moved"`
	UnderReplicated int          `json:"underReplicated"`
	Others          int          `json:"others"`
	DryRun          bool         `json:"dryRun,omitempty"`
}

func (a *app) keysRewrap() *cobra.Command {
	var purpose, actor string
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
			list := purposes
			if purpose != "" {
				p, err := parsePurpose(purpose)
				if err != nil {
					return err
				}
				list = []keys.Purpose{p}
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
			return closed(v, a.rewrap(c.Context(), v, list, who, &o, asJSON))
		}),
	}
	purposeFlag(c, &purpose, "one ring: pan, cvc, … (default all)")
	actorFlag(c, &actor)
	flags := c.Flags()
	flags.BoolVar(&o.DryRun, "dry-run", false, "only tell what there is; the KMS is not called")
	flags.BoolVar(&asJSON, "json", false, "one JSON object a ring")
	return c
}

// rewrap goes on with the next ring where one failed.
func (a *app) rewrap(ctx context.Context, v *vaultdir.Vault, list []keys.Purpose, actor string, o *keys.RewrapOptions, asJSON bool) error {
	var errs []error
	for _, p := range list {
		r, err := rewrapRecorded(ctx, v, p, actor, o)
		errs = append(errs, err)
		if r.Keys == 0 && err == nil {
			continue
		}
		if err := a.showRewrapped(rewrapped{p, r.Keys, r.Moved, len(r.UnderReplicated), len(r.Others), o.DryRun}, asJSON); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return &failure{"interrupted; the same command goes on from there"}
		}
	}
	return errors.Join(errs...)
}

// rewrapRecorded writes nothing of a ring without keys, nor of a dry run.
func rewrapRecorded(ctx context.Context, v *vaultdir.Vault, p keys.Purpose, actor string, o *keys.RewrapOptions) (keys.RewrapReport, error) {
	r, err := v.Keys.Rewrap(ctx, p, &keys.RewrapOptions{DryRun: true})
	if o.DryRun || err != nil || r.Keys == 0 {
		return r, err
	}
	const lost = "data keys were moved, but the audit log could not be written; the same command does so"
	err = recorded(ctx, v, ringEvent(audit.RewrapKeys, actor, p), lost, func(e *audit.Event) (err error) {
		r, err = v.Keys.Rewrap(ctx, p, o)
		e.Reason += fmt.Sprintf(", %d data keys, %d moved", r.Keys, r.Moved)
		return err
	})
	return r, err
}

func (a *app) showRewrapped(r rewrapped, asJSON bool) error {
	if asJSON {
		return a.printJSON(r)
	}
	_, err := fmt.Fprintf(a.stdout, "%-9s  %d data keys, %d moved, %d not wrapped by the vault's key, %d wrapped by others too\n",
		r.Ring, r.Keys, r.Moved, r.UnderReplicated, r.Others)
	return err
}
