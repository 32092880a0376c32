package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/audit"
)

func (a *app) auditCommand() *cobra.Command {
	return group("audit", "The audit log and its chain",
		"  cardseal audit anchor >> /mnt/elsewhere/anchors\n"+
			"  cardseal audit verify --anchor \"$(tail -n 1 /mnt/elsewhere/anchors)\"",
		a.auditVerify(), a.auditAnchor())
}

// auditFlags are the options of audit verify.
type auditFlags struct {
	in, anchor string
	asJSON     bool
}

func (a *app) auditVerify() *cobra.Command {
	var f auditFlags
	c := &cobra.Command{
		Use:   "verify",
		Short: "Hold the audit log against its chain",
		Long: `verify reads the vault's audit.log and holds every entry against its MAC, which
covers the entry before it, under the keys of the audit ring. The exit status is 1 if
an entry was changed, dropped, swapped, repeated or inserted.

Entries that were cut off the end are missed only with an anchor: what cardseal audit
anchor printed some time before and whoever can write to the vault's folder could not
change since. Keep the newest.

Bytes that are no entries, and that an entry after them owns up to, are reported and
are no failure: the beginning of a line that a crash or a full disk cut short, and
lines from before the log was chained.`,
		Example: "  cardseal audit verify\n  cardseal audit verify --anchor cardseal-audit-1.… --json\n  cardseal audit verify --in copy-of-audit.log",
		Args:    noArguments,
		RunE:    action(func(c *cobra.Command, _ []string) error { return a.verifyAudit(c.Context(), &f) }),
	}
	flags := c.Flags()
	flags.StringVar(&f.in, "in", "", "a log of this vault in another place (default the vault's audit.log)")
	flags.StringVar(&f.anchor, "anchor", "", "what cardseal audit anchor printed some time before")
	flags.BoolVar(&f.asJSON, "json", false, "one JSON object")
	_ = c.MarkFlagFilename("in")
	return c
}

func (a *app) verifyAudit(ctx context.Context, f *auditFlags) error {
	var o audit.VerifyOptions
	var err error
	if o.Anchor, err = parseAnchor(f.anchor); err != nil {
		return err
	}
	v, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	path := f.in
	if path == "" {
		path = filepath.Join(v.Dir, vaultdir.AuditFile)
	}
	report, err := readLog(ctx, v, path, &o)
	wrong, found := errors.AsType[*audit.ChainError](err)
	if err != nil && !found {
		return err
	}
	if err := a.showReport(&report, wrong, f.asJSON); err != nil {
		return err
	}
	if wrong != nil {
		return &failure{path + ": " + wherein(wrong)}
	}
	if o.Anchor == nil {
		a.warn(noAnchor)
	}
	return v.Close()
}

const noAnchor = "without --anchor nobody can tell whether entries were cut off the end"

// parseAnchor reads the option --anchor, nil where it was not given.
func parseAnchor(text string) (*audit.Anchor, error) {
	if text == "" {
		return nil, nil
	}
	anchor, err := audit.ParseAnchor(text)
	if err != nil {
		return nil, usagef("--anchor is not what cardseal audit anchor prints")
	}
	return &anchor, nil
}

// readLog verifies a log of the vault.
func readLog(ctx context.Context, v *vaultdir.Vault, path string, o *audit.VerifyOptions) (audit.Report, error) {
	file, err := os.Open(path)
	if err != nil {
		return audit.Report{}, err
	}
	defer file.Close()
	ring, err := vaultdir.AuditRing(v.Keys)
	if err != nil {
		return audit.Report{}, err
	}
	report, err := audit.Verify(ctx, file, ring, o)
	if _, kms := errors.AsType[*keys.CallError](err); errors.Is(err, keys.ErrDisabled) && !kms {
		err = &failure{fmt.Sprintf("%s: from entry %d on it cannot be verified: the data key that chained it was disabled or destroyed",
			path, report.Head.Sequence+1)}
	}
	return report, err
}

// wherein says which line of a log is wrong, and how.
func wherein(e *audit.ChainError) string {
	if e.Line == 0 {
		return "it " + e.Kind.Error()
	}
	return fmt.Sprintf("line %d %v", e.Line, e.Kind)
}

// verified is a report as audit verify shows it.
type verified struct {
	OK      bool          `json:"ok"`
	Line    int64         `json:"line,omitempty"`
	Problem string        `json:"problem,omitempty"`
	Entries uint64        `json:"entries"`
	Events  uint64        `json:"events"`
	Keys    int           `json:"keys"`
	First   *time.Time    `json:"first,omitempty"`
	Last    *time.Time    `json:"last,omitempty"`
	After   *audit.Anchor `json:"after,omitempty"`
	Head    *audit.Anchor `json:"head,omitempty"`
	Gaps    []audit.Gap   `json:"gaps,omitempty"`
	AllGaps int           `json:"gapCount"`
	Torn    int64         `json:"tornBytes,omitempty"`
}

func (a *app) showReport(r *audit.Report, wrong *audit.ChainError, asJSON bool) error {
	if !asJSON {
		return a.sayReport(r)
	}
	v := verified{
		OK: wrong == nil, Entries: r.Lines, Events: r.Events, Keys: r.Keys, Gaps: r.Gaps, AllGaps: r.GapCount, Torn: r.Torn,
	}
	if wrong != nil {
		v.Line, v.Problem = wrong.Line, wrong.Kind.Error()
	}
	if r.Events > 0 {
		v.First, v.Last = &r.First, &r.Last
	}
	if r.Before.Sequence > 0 {
		v.After = &r.Before
	}
	if r.Lines > 0 {
		v.Head = &r.Head
	}
	return a.printJSON(v)
}

func (a *app) sayReport(r *audit.Report) error {
	text := fmt.Sprintf("%d entries verified, %d of them events; keys used: %d\n", r.Lines, r.Events, r.Keys)
	if r.Events > 0 {
		text += fmt.Sprintf("from %s to %s\n", r.First.Format(time.RFC3339), r.Last.Format(time.RFC3339))
	}
	if r.Before.Sequence > 0 {
		text += fmt.Sprintf("after %v, which is in another log\n", r.Before)
	}
	for _, g := range r.Gaps {
		text += fmt.Sprintf("line %d: %d bytes are no entries, and marked so\n", g.Line, g.Bytes)
	}
	if more := r.GapCount - len(r.Gaps); more > 0 {
		text += fmt.Sprintf("and %d places more\n", more)
	}
	if r.Torn > 0 {
		text += fmt.Sprintf("%d bytes at the end are an unfinished line\n", r.Torn)
	}
	if r.Lines > 0 {
		text += fmt.Sprintf("head %v\n", r.Head)
	}
	_, err := fmt.Fprint(a.stdout, text)
	return err
}

func (a *app) auditAnchor() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "anchor",
		Short: "Print where the audit log's chain stands, to be kept elsewhere",
		Long: `anchor prints the number and MAC of the log's last entry. Keep it where whoever can
write to the vault's folder cannot change it, now and again: cardseal audit verify
--anchor then tells whether entries were cut off or the log was replaced since.

It reads the end of the log alone, verifies nothing, needs no key and may run while a
service holds the vault.`,
		Example: "  cardseal audit anchor >> /mnt/elsewhere/anchors",
		Args:    noArguments,
		RunE: action(func(*cobra.Command, []string) error {
			dir, _, err := a.locate()
			if err != nil {
				return err
			}
			if _, err := vaultdir.Find(dir); err != nil {
				return inFolder(dir, err)
			}
			head, _, err := vaultdir.AuditHead(dir)
			if errors.Is(err, audit.ErrEmpty) {
				return &failure{"the audit log has no chained entry yet"}
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(struct {
					Anchor  audit.Anchor `json:"anchor"`
					Entries uint64       `json:"entries"`
				}{head, head.Sequence})
			}
			_, err = fmt.Fprintln(a.stdout, head)
			return err
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}
