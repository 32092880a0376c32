package cli

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/code"
)

// epoch is a data key of security codes that are forgotten, as cvc erasures shows it.
type epoch struct {
	Key     string     `json:"key"`
	State   string     `json:"state"`
	Created *time.Time `json:"created,omitempty"`
	Changed *time.Time `json:"changed,omitempty"`
	Codes   uint64     `json:"codes"`
	// Of the receipt of its destruction, where the audit log has one.
	Destroyed *time.Time `json:"destroyed,omitempty"`
	LastUse   *time.Time `json:"lastUse,omitempty"`
	Lost      *uint64    `json:"codesLost,omitempty"`
	Back      bool       `json:"back,omitempty"` // with an old copy of the database, after that receipt
}

func (a *app) cvcErasures() *cobra.Command {
	var anchor string
	var asJSON bool
	c := &cobra.Command{
		Use:   "erasures",
		Short: "Which keys of forgotten security codes exist, and which were destroyed",
		Long: `erasures first sweeps the database for security codes, as a service does once a minute:
codes whose time is up are removed, and the data keys they were sealed under destroyed
as soon as nothing needs them. Where no service runs, run it once a minute.

Then it lists those keys, oldest first: their state, how many codes need them, and of
destroyed ones when they were destroyed and when the last process can have used them.
That is told by receipts, which count only in an audit log that verifies. The exit
status is 1 where a key is there, or was destroyed once more, though the log has its
receipt: the database was put back from an old copy. It stays so as long as the log
tells it.

The keys' records are never deleted, so the list grows by one for every 15 minutes in
which codes were put, and each run reads all of it and the log.`,
		Example: `  cardseal cvc erasures
  cardseal cvc erasures --json --anchor "$(tail -n 1 /mnt/elsewhere/anchors)"`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			from, err := parseAnchor(anchor)
			if err != nil {
				return err
			}
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			return closed(v, a.erasures(c.Context(), v, from, asJSON))
		}),
	}
	c.Flags().StringVar(&anchor, "anchor", "", "what cardseal audit anchor printed some time before")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (a *app) erasures(ctx context.Context, v *vaultdir.Vault, anchor *audit.Anchor, asJSON bool) error {
	t, err := v.Transient(ctx)
	if err != nil {
		return withoutCodes(v, err)
	}
	receipts, err := a.codeReceipts(ctx, v, anchor)
	if err != nil {
		return err
	}
	epochs, err := t.Erasures(ctx, receipts...)
	if err != nil {
		return err
	}
	back := 0
	for i := range epochs {
		e := &epochs[i]
		if e.Back {
			back++
		}
		if err := a.showEpoch(e, asJSON); err != nil {
			return err
		}
	}
	if back > 0 {
		return &failure{fmt.Sprintf("%d data keys were there after the audit log had their receipts: the database was put back from an old copy, "+
			"and whoever has that copy may have codes", back)}
	}
	return nil
}

// codeReceipts are the receipts in the audit log of keys of security codes, but for
// those that the vault's own store had, which were an issuer's.
func (a *app) codeReceipts(ctx context.Context, v *vaultdir.Vault, anchor *audit.Anchor) ([]keys.Receipt, error) {
	all, err := a.receipts(ctx, v, anchor)
	if err != nil {
		return nil, err
	}
	own, err := v.Keys.Records(ctx, keys.CVC)
	if err != nil {
		return nil, err
	}
	var list []keys.Receipt
	for i := range all {
		if all[i].Ring != string(keys.CVC) {
			continue
		}
		raw, err := base64.StdEncoding.DecodeString(all[i].Receipt)
		if err != nil {
			return nil, errNoReceipt
		}
		r, err := keys.ParseReceipt(raw)
		if err != nil {
			return nil, errors.Join(errNoReceipt, err)
		}
		if !slices.ContainsFunc(own, func(k keys.Record) bool { return k.ID == r.Key }) {
			list = append(list, r)
		}
	}
	return list, nil
}

func (a *app) showEpoch(e *code.Epoch, asJSON bool) error {
	s := epoch{Key: e.Key.String(), State: e.State.String(), Created: given(e.Created), Changed: given(e.Changed), Codes: e.Codes, Back: e.Back}
	if r := e.Receipt; r != nil {
		s.Destroyed, s.LastUse, s.Lost = &r.Destroyed, &r.LastUse, &r.Records
	}
	if asJSON {
		return a.printJSON(&s)
	}
	text := fmt.Sprintf("%s  %-9s  %d codes", s.Key, s.State, s.Codes)
	if s.Created != nil {
		text += ", made " + stamp(s.Created)
	}
	switch {
	case s.Destroyed != nil:
		text += fmt.Sprintf(", destroyed %s with %d codes, last use %s", stamp(s.Destroyed), *s.Lost, stamp(s.LastUse))
	case e.State == keys.Destroyed:
		text += ", without a receipt"
	}
	if e.Back {
		text += ", and back from an old copy"
	}
	_, err := fmt.Fprintln(a.stdout, text)
	return err
}
