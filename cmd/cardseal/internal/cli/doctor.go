package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/doctor"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
)

func (a *app) doctorCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Look a vault over and say its risks in plain words",
		Long: `doctor looks at a vault's settings, keys, store, repositories, key ages and audit log,
and says one line about each: ok, warn or fail. It changes nothing and needs no
passphrase; keys in a KMS are tried (cardseal kek check tries more). The exit status
is 1 if anything fails.`,
		Example: "  cardseal doctor\n  cardseal doctor --dir ./vault --json",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			dir, _, err := a.locate()
			if err != nil {
				return err
			}
			findings, err := a.examineVault(c.Context(), dir)
			if err != nil {
				return err
			}
			failed := 0
			for _, f := range findings {
				if f.Grade == doctor.Fail {
					failed++
				}
				if err := showFinding(a, f, asJSON); err != nil {
					return err
				}
			}
			if failed > 0 {
				return &failure{fmt.Sprintf("%d of %d checks failed", failed, len(findings))}
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (a *app) examineVault(ctx context.Context, dir string) ([]doctor.Finding, error) {
	findings, err := doctor.Examine(ctx, dir, a.openKEK)
	if errors.Is(err, vaultdir.ErrMissing) {
		return nil, inFolder(dir, err)
	}
	if err != nil {
		// What stopped the examination is its last finding.
		text, _ := explain(inFolder(dir, err))
		findings = append(findings, doctor.Finding{Grade: doctor.Fail, Subject: "vault", Text: text})
	}
	return findings, nil
}

func showFinding(a *app, f doctor.Finding, asJSON bool) error {
	if asJSON {
		return a.printJSON(f)
	}
	_, err := io.WriteString(a.stdout, fmt.Sprintf("%-4s  %-10s  %s\n", f.Grade, f.Subject, f.Text))
	return err
}
