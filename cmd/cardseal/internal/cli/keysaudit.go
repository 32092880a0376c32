package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

func actorFlag(c *cobra.Command, actor *string) {
	c.Flags().StringVar(actor, "actor", "", "who does it, for the record (default the user)")
}

// keyEvent is the event of a change of a data key, which may be a repository's own.
func keyEvent(action audit.Action, actor, repository string, r *keys.Record) audit.Event {
	return audit.Event{Action: action, Repository: repository, Owner: actor, Reason: fmt.Sprintf("data key %v of ring %s", r.ID, r.Ring.Purpose)}
}

// ringEvent is the event of a change of a ring.
func ringEvent(action audit.Action, actor string, r *keyRing) audit.Event {
	return audit.Event{Action: action, Repository: r.repository, Owner: actor, Reason: "ring " + string(r.purpose())}
}

// recorded carries a change of keys out between two events: that it begins, without
// which it is not done, and what became of it, which change may add to. Where the
// second cannot be written the change was made, and lost says what to do.
func recorded(ctx context.Context, v *vaultdir.Vault, e audit.Event, lost string, change func(e *audit.Event) error) error {
	e.Outcome = audit.Begun
	if err := v.Record(ctx, e); err != nil {
		return err
	}
	e.Outcome = audit.Done
	err := change(&e)
	ctx = context.WithoutCancel(ctx)
	if err != nil {
		e.Outcome = audit.Failed
		_ = v.Record(ctx, e) // the failure itself is told
		return err
	}
	if err := v.Record(ctx, e); err != nil {
		return &failure{lost}
	}
	return nil
}
