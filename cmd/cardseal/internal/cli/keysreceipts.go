package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// receiptFields is a receipt as it is shown.
type receiptFields struct {
	Key       string    `json:"key"`
	Ring      string    `json:"ring"`
	Scope     string    `json:"scope,omitempty"` // of a ring of one scope
	Destroyed time.Time `json:"destroyed"`
	LastUse   time.Time `json:"lastUse"`
	Records   uint64    `json:"records"`
	Shredded  bool      `json:"shredded"`
	Promise   string    `json:"promise"`
	KEKs      []string  `json:"keks,omitempty"`
	Receipt   string    `json:"receipt"` // as keys.ParseReceipt reads it, in base64
}

func fieldsOf(r *keys.Receipt) receiptFields {
	return receiptFields{
		Key: r.Key.String(), Ring: string(r.Ring.Purpose), Scope: r.Ring.Scope, Destroyed: r.Destroyed, LastUse: r.LastUse,
		Records: r.Records, Shredded: r.Shredded, Promise: r.Promise.String(), KEKs: r.KEKs,
		Receipt: base64.StdEncoding.EncodeToString(r.AppendTo(nil)),
	}
}

func (f *receiptFields) print(w io.Writer) error {
	shredded := ""
	if f.Shredded {
		shredded = "asked for"
	}
	for _, l := range []struct{ name, value string }{
		{"key", f.Key}, {"ring", f.Ring}, {"scope", f.Scope}, {"destroyed", f.Destroyed.Format(time.RFC3339)},
		{"last use", f.LastUse.Format(time.RFC3339)}, {"records lost", strconv.FormatUint(f.Records, 10)}, {"shredding", shredded},
		{"unrecoverable", f.Promise}, {"KEKs", strings.Join(f.KEKs, ", ")}, {"receipt", f.Receipt},
	} {
		if err := field(w, l.name, l.value); err != nil {
			return err
		}
	}
	return nil
}

// chainedReceipt is a receipt as keys receipts shows it.
type chainedReceipt struct {
	Entry uint64 `json:"entry,omitempty"` // of the audit log
	Actor string `json:"actor,omitempty"`
	receiptFields
}

func (a *app) keysReceipts() *cobra.Command {
	var f struct {
		verify, anchor string
		asJSON         bool
	}
	c := &cobra.Command{
		Use: "receipts", Short: "Show the receipts of destroyed data keys, or verify one",
		Long: `receipts holds the whole audit log against its chain, as cardseal audit verify does,
and then shows the receipt of each destruction in it, with the number of its entry.
Where the log does not verify, no receipt in it counts and none is shown.

With --verify it takes a receipt as keys destroy or this command printed it, as JSON
or the base64 alone, and tells whether the log has that very receipt: the exit status
is 1 if not. A key that was destroyed by two commands, the second one to give the
receipt again, has two.`,
		Example: `  cardseal keys receipts --json
  cardseal keys receipts --verify receipt.json --anchor "$(tail -n 1 /mnt/elsewhere/anchors)"`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			var want *chainedReceipt
			anchor, err := parseAnchor(f.anchor)
			if err == nil && f.verify != "" {
				want, err = a.readReceipt(f.verify)
			}
			if err != nil {
				return err
			}
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			all, err := a.receipts(c.Context(), v, anchor)
			if err == nil && want != nil {
				all, err = want.among(all)
			}
			if err != nil {
				return err
			}
			return closed(v, a.showReceipts(all, f.asJSON))
		}),
	}
	flags := c.Flags()
	flags.StringVar(&f.verify, "verify", "", `file with a receipt to look for, "-" for standard input`)
	flags.StringVar(&f.anchor, "anchor", "", "what cardseal audit anchor printed some time before")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object a line")
	_ = c.MarkFlagFilename("verify")
	return c
}

// receipts are those in the vault's audit log, once all of it is verified.
func (a *app) receipts(ctx context.Context, v *vaultdir.Vault, anchor *audit.Anchor) (all []chainedReceipt, err error) {
	without, unread := 0, uint64(0)
	path := filepath.Join(v.Dir, vaultdir.AuditFile)
	_, err = readLog(ctx, v, path, &audit.VerifyOptions{Anchor: anchor, Each: func(entry uint64, e *audit.Event) {
		if e.Action != audit.DestroyKey || e.Outcome != audit.Done {
			return
		}
		if len(e.Receipt) == 0 {
			without++
			return
		}
		r, err := keys.ParseReceipt(e.Receipt)
		if err != nil {
			unread = entry
			return
		}
		all = append(all, chainedReceipt{entry, e.Owner, fieldsOf(&r)})
	}})
	if wrong, ok := errors.AsType[*audit.ChainError](err); ok {
		return nil, &failure{path + ": " + wherein(wrong) + ": no receipt in it counts"}
	}
	if err != nil {
		return nil, err
	}
	if unread > 0 {
		return nil, &failure{fmt.Sprintf("%s: the receipt in entry %d was written by a newer version of cardseal; use that version", path, unread)}
	}
	if without > 0 {
		a.warn(fmt.Sprintf("destructions without a receipt in the log, by an earlier version of cardseal: %d", without))
	}
	if anchor == nil {
		a.warn(noAnchor)
	}
	return all, nil
}

func (a *app) showReceipts(all []chainedReceipt, asJSON bool) error {
	for i := range all {
		if asJSON {
			if err := a.printJSON(&all[i]); err != nil {
				return err
			}
			continue
		}
		if i > 0 {
			fmt.Fprintln(a.stdout)
		}
		if err := field(a.stdout, "entry", strconv.FormatUint(all[i].Entry, 10)); err != nil {
			return err
		}
		if err := field(a.stdout, "actor", all[i].Actor); err != nil {
			return err
		}
		if err := all[i].print(a.stdout); err != nil {
			return err
		}
	}
	return nil
}

// among finds the receipt that is held against those of the log.
func (c *chainedReceipt) among(all []chainedReceipt) ([]chainedReceipt, error) {
	other := uint64(0)
	for i := range all {
		switch r := &all[i]; {
		case r.Receipt == c.Receipt && (c.Entry == 0 || c.Entry == r.Entry && c.Actor == r.Actor):
			return all[i : i+1], nil
		case r.Key == c.Key:
			other = r.Entry
		}
	}
	if other > 0 {
		return nil, &failure{fmt.Sprintf("the audit log has another receipt of this data key, in entry %d, and not this one", other)}
	}
	return nil, &failure{"the audit log has no receipt of this data key"}
}

// maxReceipt bounds what is read of a receipt, in bytes.
const maxReceipt = 1 << 20

func (a *app) readReceipt(path string) (*chainedReceipt, error) {
	in := a.stdin
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxReceipt+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxReceipt {
		return nil, errNoReceipt
	}
	return parseReceipt(bytes.TrimSpace(text))
}

var errNoReceipt = &failure{"this is no receipt as cardseal keys destroy --json prints one, or it was altered"}

// parseReceipt reads a receipt in base64, or in JSON that says what it says, in just
// the form that the program writes, but for white space: whoever reads it beside finds
// no name in it twice.
func parseReceipt(text []byte) (*chainedReceipt, error) {
	if !bytes.HasPrefix(text, []byte("{")) {
		return decodeReceipt(string(text))
	}
	var given chainedReceipt
	var compact, again bytes.Buffer
	if json.Unmarshal(text, &given) != nil || json.Compact(&compact, text) != nil {
		return nil, errNoReceipt
	}
	c, err := decodeReceipt(given.Receipt)
	if err != nil {
		return nil, err
	}
	c.Entry, c.Actor = given.Entry, given.Actor
	compact.WriteByte('\n')
	if writeJSON(&again, c) != nil || !bytes.Equal(again.Bytes(), compact.Bytes()) || c.Entry == 0 && c.Actor != "" {
		return nil, errNoReceipt
	}
	return c, nil
}

func decodeReceipt(text string) (*chainedReceipt, error) {
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errNoReceipt
	}
	r, err := keys.ParseReceipt(raw)
	if err != nil {
		return nil, errNoReceipt
	}
	return &chainedReceipt{receiptFields: fieldsOf(&r)}, nil
}
