package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// destroyFlags are the options of keys destroy.
type destroyFlags struct {
	shred, asJSON    bool
	confirm, actor   string
	sealLease, serve time.Duration
}

func (a *app) keysDestroy() *cobra.Command {
	var f destroyFlags
	c := &cobra.Command{
		Use: "destroy ID", Short: "Destroy a data key for good",
		Long: `destroy erases a data key. It cannot be taken back: what the key sealed opens no more.
The key must have been retired or disabled for some minutes, and its ID is asked for
on the terminal, or given once more with --confirm.

A key that records need is refused; with --shred they are lost. A key by which a
repository finds its cards or makes its tokens is refused in any case. What the ring
audit protects is not counted, and takes --shred; lines of the audit log that a
destroyed key chained cannot be verified any more.

A key that is found in use after all is kept, but closed for writing by then: what it
sealed can be read and deleted.

Older copies of the store still hold the key, wrapped. The receipt says when what it
sealed is beyond recovery; keep it. The destruction is written into the audit log, its
receipt with it: cardseal keys receipts shows it again.`,
		Example: `  cardseal keys destroy ` + exampleKey + `
  cardseal keys destroy ` + exampleKey + ` --confirm ` + exampleKey + ` --json > receipt.json`,
		Args: oneArgument("key's ID"),
		RunE: action(func(c *cobra.Command, args []string) error { return a.destroy(c.Context(), args[0], &f) }),
	}
	flags := c.Flags()
	flags.BoolVar(&f.shred, "shred", false, "lose the records that need the key")
	flags.StringVar(&f.confirm, "confirm", "", "the key's ID once more, in place of the question")
	actorFlag(c, &f.actor)
	flags.DurationVar(&f.sealLease, "seal-lease", 0, "the longest seal lease of all services (default 5m)")
	flags.DurationVar(&f.serve, "serve", 0, "the longest that a service keeps a key in memory (default 1h)")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object")
	return c
}

func (a *app) destroy(ctx context.Context, text string, f *destroyFlags) error {
	if f.sealLease < 0 || f.serve < 0 {
		return usagef("--seal-lease and --serve must not be negative")
	}
	id, err := parseKeyID(text)
	if err != nil {
		return err
	}
	actor, err := actorOf(f.actor)
	if err != nil {
		return err
	}
	if f.confirm != "" && !confirms(f.confirm, id) {
		return errNotConfirmed
	}
	v, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	r, repository, err := findKey(ctx, v, id)
	if err != nil {
		return err
	}
	lost, err := mayDestroy(ctx, v, r, f.shred)
	if err != nil {
		return err
	}
	if f.confirm == "" {
		if err := a.confirmDestroy(ctx, r, lost); err != nil {
			return err
		}
	}
	receipt, err := destroyRecorded(ctx, v, r, actor, repository, keys.DestroyOptions{
		CloseFence: v.Vault.CloseFence, Census: v.Vault.KeyInUse,
		Shred: f.shred, SealLease: f.sealLease, Serve: f.serve,
	})
	if err != nil {
		return err
	}
	return closed(v, a.showReceipt(&receipt, f.asJSON))
}

// mayDestroy refuses a key that is in use before its fence is closed, and returns how
// many records are lost with it.
func mayDestroy(ctx context.Context, v *vaultdir.Vault, r *keys.Record, shred bool) (lost uint64, err error) {
	switch r.State {
	case keys.Active:
		return 0, keyError(&keys.StateError{Key: r.ID, From: r.State, To: keys.Destroyed})
	case keys.Destroyed:
		return 0, nil // its receipt is given once more
	}
	if !counted(r.Ring.Purpose) && !shred {
		return 0, &failure{fmt.Sprintf("what the ring %s protects lies outside the store and cannot be counted: give --shred if none of it is needed", r.Ring.Purpose)}
	}
	lost, err = v.Vault.KeyInUse(ctx, r.ID)
	if err != nil {
		return 0, keyError(err)
	}
	if lost > 0 && !shred {
		return 0, inUse(lost, r.Ring.Purpose)
	}
	return lost, nil
}

// destroyRecorded destroys a key and has its receipt chained.
func destroyRecorded(ctx context.Context, v *vaultdir.Vault, r *keys.Record, actor, repository string, o keys.DestroyOptions) (receipt keys.Receipt, err error) {
	const lost = "the data key was destroyed, but the audit log could not be written; the same command does so and gives the receipt"
	err = recorded(ctx, v, keyEvent(audit.DestroyKey, actor, repository, r), lost, func(e *audit.Event) error {
		if receipt, err = v.Keys.Destroy(ctx, r.ID, o); err != nil {
			return keyError(err)
		}
		e.Receipt = receipt.AppendTo(nil)
		e.Reason += fmt.Sprintf(", records lost: %d", receipt.Records)
		return nil
	})
	return receipt, err
}

func (a *app) showReceipt(r *keys.Receipt, asJSON bool) error {
	f := fieldsOf(r)
	if asJSON {
		return a.printJSON(f)
	}
	return f.print(a.stdout)
}

var errNotConfirmed = usagef("the ID given to confirm is not the key's: nothing was done")

func confirms(typed string, id keys.KeyID) bool {
	return strings.EqualFold(strings.TrimSpace(typed), id.String())
}
