package cli

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/keys"
)

// purposes are the rings that a vault may have.
var purposes = []keys.Purpose{keys.PAN, keys.CVC, keys.Index, keys.Analytics, keys.FPE, keys.Capture, keys.Audit}

func (a *app) keysCommand() *cobra.Command {
	return group("keys", "Rings and their data keys", "  cardseal keys list\n  cardseal keys rotate --purpose pan",
		a.keysList(), a.keysRotate())
}

// listedKey is a data key as keys list shows it.
type listedKey struct {
	Ring    keys.Purpose `json:"ring"`
	ID      string       `json:"id"`
	State   string       `json:"state"`
	Created time.Time    `json:"created"`
	AgeDays int          `json:"ageDays"`
}

func (a *app) keysList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List the data keys of all rings",
		Long: `list shows each ring's data keys, oldest first: the active one seals, retired ones
only open. A ring has no key before it is first used.`,
		Example: "  cardseal keys list --json",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			now := time.Now()
			for _, p := range purposes {
				records, err := v.Keys.Records(c.Context(), p)
				if err != nil {
					return err
				}
				for _, r := range records {
					k := listedKey{p, r.ID.String(), r.State.String(), r.Created, days(now.Sub(r.Created))}
					if err := a.showKey(k, asJSON); err != nil {
						return err
					}
				}
			}
			return v.Close()
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (a *app) showKey(k listedKey, asJSON bool) error {
	if asJSON {
		return a.printJSON(k)
	}
	_, err := fmt.Fprintf(a.stdout, "%-9s  %s  %-9s  %s  %d days\n",
		k.Ring, k.ID, k.State, k.Created.Format(time.RFC3339), k.AgeDays)
	return err
}

func days(d time.Duration) int { return int(d.Hours() / 24) }

func (a *app) keysRotate() *cobra.Command {
	var purpose string
	c := &cobra.Command{
		Use: "rotate", Short: "Make a new active key for a ring",
		Long: `rotate makes a new data key, which seals from now on, and retires the one before,
which goes on opening what it sealed.`,
		Example: "  cardseal keys rotate --purpose pan",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			if err := needs("purpose", purpose); err != nil {
				return err
			}
			p := keys.Purpose(purpose)
			if !p.Valid() {
				return usagef("--purpose is not one of pan, cvc, index, analytics, fpe, capture, audit")
			}
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			id, err := v.Keys.Rotate(c.Context(), p)
			if errors.Is(err, keys.ErrNotRotatable) {
				return &failure{"ring " + purpose + ": " + err.Error()}
			}
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintln(a.stdout, id); err != nil {
				return err
			}
			return v.Close()
		}),
	}
	c.Flags().StringVar(&purpose, "purpose", "", "the ring: pan, cvc, …")
	_ = c.RegisterFlagCompletionFunc("purpose", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		list := make([]string, len(purposes))
		for i, p := range purposes {
			list[i] = string(p)
		}
		return list, cobra.ShellCompDirectiveNoFileComp
	})
	return c
}
