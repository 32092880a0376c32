package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/doctor"
	"github.com/cardseal/cardseal/keys"
)

// inventoried is a key as keys inventory shows it (PCI DSS 12.3.3).
type inventoried struct {
	Ring       string     `json:"ring"`                 // kek for a key-encryption key
	Repository string     `json:"repository,omitempty"` // whose own ring it is
	ID         string     `json:"id"`
	Purpose    string     `json:"purpose"`
	Algorithm  string     `json:"algorithm"`
	Bits       int        `json:"bits,omitempty"`
	State      string     `json:"state,omitempty"`
	Place      []string   `json:"place"`
	Created    *time.Time `json:"created,omitempty"`
	AgeDays    *int       `json:"ageDays,omitempty"`
	Due        *time.Time `json:"due,omitempty"`
	Overdue    bool       `json:"overdue,omitempty"`
}

// uses says what the keys of each ring are for and which algorithms use them. All
// are derived from by HKDF-Expand with SHA-256 (RFC 5869) and never used as they are.
var uses = map[keys.Purpose]struct{ purpose, algorithm string }{
	keys.PAN:       {"seals card numbers, holders, e-mail addresses", "XAES-256-GCM"},
	keys.CVC:       {"seals an issuer's security codes", "XAES-256-GCM"},
	keys.Index:     {"finds cards and repeated calls", "HMAC-SHA-256"},
	keys.Analytics: {"makes analytics tokens", "HMAC-SHA-256"},
	keys.FPE:       {"makes format-preserving tokens", "FF1-AES-256"},
	keys.Capture:   {"seals private capture keys", "XAES-256-GCM"},
	keys.Audit:     {"chains the audit log", "HMAC-SHA-256"},
}

// openingPeriod is how long a key may go on opening after its time to seal is over
// (NIST SP 800-57 part 1 rev. 5, table 1: three years).
const openingPeriod = 3 * 365 * 24 * time.Hour

func (a *app) keysInventory() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "inventory", Short: "What cryptography the vault stands on, for an assessor",
		Long: `inventory shows each key with what PCI DSS 12.3.3 asks for: what it is for, algorithm
and size, where it is kept, its age and when it is due. The place of a data key is the
key-encryption keys that have wrapped it.

An active key is due to be replaced a year after it was made. A retired or disabled one
is due to be out of use three years after it ceased to seal, or after it should have.
Destroyed keys are left out. The keys of security codes that are forgotten, a new one
every quarter of an hour, are one line: cardseal cvc erasures lists them.`,
		Example: "  cardseal keys inventory\n  cardseal keys inventory --json > inventory.jsonl",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			for _, k := range v.Keys.KEKs() {
				if err := a.showInventoried(ofKEK(k), asJSON); err != nil {
					return err
				}
			}
			if v.Settings.Codes != "" {
				if err := a.showInventoried(ofEpochs(v.CodeKEKs()), asJSON); err != nil {
					return err
				}
			}
			now := time.Now()
			err = eachKey(c.Context(), v, "", func(id string, r *keys.Record) error {
				if r.State == keys.Destroyed {
					return nil
				}
				return a.showInventoried(ofKey(id, r, now), asJSON)
			})
			return closed(v, err)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func ofKEK(k keys.KEK) inventoried {
	i := inventoried{Ring: "kek", ID: k.ID(), Purpose: "wraps data keys", Algorithm: "as its KMS has it", Place: []string{"KMS"}}
	if _, ok := k.(*local.KEK); ok {
		i.Algorithm, i.Bits, i.Place = "AES-256-GCM", 256, []string{"file (development only)"}
	}
	return i
}

// ofEpochs stands for the keys of security codes that are forgotten: there is another
// every quarter of an hour.
func ofEpochs(keks []keys.KEK) inventoried {
	i := inventoried{Ring: string(keys.CVC), ID: "epochs", Purpose: "seal security codes until they expire", Algorithm: "XAES-256-GCM", Bits: 8 * keys.DataKeySize}
	for _, k := range keks {
		i.Place = append(i.Place, k.ID())
	}
	return i
}

func ofKey(repository string, r *keys.Record, now time.Time) inventoried {
	use, due, age := uses[r.Ring.Purpose], dueOf(r), days(now.Sub(r.Created))
	i := inventoried{
		Ring: string(r.Ring.Purpose), Repository: repository, ID: r.ID.String(), Purpose: use.purpose, Algorithm: use.algorithm, Bits: 8 * keys.DataKeySize,
		State: r.State.String(), Created: &r.Created, AgeDays: &age, Due: &due, Overdue: !now.Before(due),
	}
	for _, w := range r.Wrapped {
		i.Place = append(i.Place, w.KEK)
	}
	return i
}

// dueOf is when a key should have been replaced, or be out of use.
func dueOf(r *keys.Record) time.Time {
	replace := r.Created.Add(doctor.Cryptoperiod)
	if r.State == keys.Active {
		return replace
	}
	if r.Changed.Before(replace) {
		replace = r.Changed
	}
	return replace.Add(openingPeriod)
}

func (a *app) showInventoried(i inventoried, asJSON bool) error {
	if asJSON {
		return a.printJSON(i)
	}
	line := fmt.Sprintf("%-9s  %s  %s, %s", i.Ring, i.ID, i.Purpose, i.Algorithm)
	if i.Bits > 0 {
		line += fmt.Sprintf(", %d bits", i.Bits)
	}
	line += ", in " + strings.Join(i.Place, " and ")
	if i.Due != nil {
		word := "due"
		if i.Overdue {
			word = "overdue since"
		}
		line += fmt.Sprintf(", %s, %d days old, %s %s", i.State, *i.AgeDays, word, i.Due.Format(time.DateOnly))
	}
	_, err := fmt.Fprintln(a.stdout, line+ofRepository(i.Repository))
	return err
}
