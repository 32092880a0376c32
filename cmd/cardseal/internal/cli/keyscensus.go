package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/keys"
)

// countedKey is a data key as keys census shows it. Records is nil where not all
// that it sealed lies in the vault's store.
type countedKey struct {
	Ring         keys.Purpose `json:"ring"`
	Repository   string       `json:"repository,omitempty"` // whose own ring it is
	ID           string       `json:"id"`
	State        string       `json:"state"`
	Records      *uint64      `json:"records,omitempty"`
	Repositories []string     `json:"repositories,omitempty"`
}

func (a *app) keysCensus() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "census", Short: "Count the records that need each data key",
		Long: `census counts, for each data key, the records in the store that were sealed under it,
an issuer's security codes and private capture keys included, and names the
repositories that find their cards or make analytics or FF1 tokens under it. A key
that neither needs may be destroyed.

What the ring audit protects, the lines of the audit log, lies outside the store and
is not counted. Keys of security codes that are forgotten are not among these: see
cardseal cvc erasures. A store in a file is read from end to end for every key.`,
		Example: "  cardseal keys census\n  cardseal keys census --json",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			err = eachKey(c.Context(), v, "", func(id string, r *keys.Record) error {
				k := countedKey{Ring: r.Ring.Purpose, Repository: id, ID: r.ID.String(), State: r.State.String()}
				if counted(r.Ring.Purpose) {
					use, err := v.Vault.KeyUse(c.Context(), r.ID)
					if err != nil {
						return err
					}
					records := use.Records + use.CaptureKeys
					k.Records, k.Repositories = &records, use.Repositories
				}
				return a.showCounted(k, asJSON)
			})
			return closed(v, err)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

// counted reports whether all that a ring's keys protect lies in the vault's store.
func counted(p keys.Purpose) bool {
	switch p {
	case keys.PAN, keys.CVC, keys.Index, keys.Analytics, keys.FPE, keys.Capture:
		return true
	}
	return false
}

func (a *app) showCounted(k countedKey, asJSON bool) error {
	if asJSON {
		return a.printJSON(k)
	}
	use := "not counted"
	if k.Records != nil {
		use = fmt.Sprintf("%d records", *k.Records)
	}
	if len(k.Repositories) > 0 {
		use += ", needed by " + strings.Join(k.Repositories, ", ")
	}
	_, err := fmt.Fprintf(a.stdout, "%-9s  %s  %-9s  %s%s\n", k.Ring, k.ID, k.State, use, ofRepository(k.Repository))
	return err
}
