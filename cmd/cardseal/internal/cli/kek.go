package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/backends/kek/open"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/bulk"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/kekcheck"
	"github.com/cardseal/cardseal/keys"
)

// Longest times that a step of kek check may be given.
const maxKEKTimeout = 5 * time.Minute

func (a *app) kekCommand() *cobra.Command {
	c := group("kek", "The key that guards the data keys",
		"  cardseal kek check aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards", a.kekCheck())
	c.Long = `A key-encryption key (KEK) lies in a KMS, wraps a vault's data keys and never leaves.
Its URI is one of

  aws-kms://arn:aws:kms:REGION:ACCOUNT:key/ID        or :alias/NAME at its end
  gcp-kms://projects/P/locations/L/keyRings/R/cryptoKeys/K
  hcvault://HOST[:PORT]/MOUNT/keys/NAME              Vault or OpenBao, over HTTPS
  local:///path                                      a file, for development only

and never holds a secret. Credentials are those of the vendor's own programs: the AWS
environment and profiles, Google's application default credentials, VAULT_TOKEN (with
VAULT_CACERT for an authority of your own). What follows ? in a URI of Vault says more:
namespace=NS, auth=approle with role-id=ID and secret-id-file=/path, auth=kubernetes
with role=NAME and if need be jwt-file=/path, auth-mount=PATH.`
	return c
}

func (a *app) kekCheck() *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "check URI",
		Short: "Try a KEK step by step",
		Long: `check opens a KEK and tries, one line a step, whether it does all that a vault needs:
that it generates, wraps, unwraps and rewraps data keys, and that it refuses a data key
that is altered or asked for under another ID, environment, scope or purpose. A line
begins with ok, fail or note (a permission that a vault can do without), and a failure
names the permission that the call needs.

Nothing is stored. The data key that is tried with is bound to the environment "check":
a policy with conditions on the binding has to allow that too. The calls that must be
refused are in the KMS's audit log as failures.

The exit status is 1 if a step failed.`,
		Example: `  cardseal kek check aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards
  cardseal kek check gcp-kms://projects/my-project/locations/europe-west3/keyRings/cards/cryptoKeys/kek --json
  cardseal kek check 'hcvault://vault.example.com:8200/transit/keys/cards?auth=approle&role-id=cards&secret-id-file=/run/secrets/vault'`,
		Args: oneArgument("KEK's URI"),
		RunE: action(func(c *cobra.Command, args []string) error {
			if timeout <= 0 || timeout > maxKEKTimeout {
				return usagef("--timeout must be more than 0 and at most %v", maxKEKTimeout)
			}
			return a.checkKEK(c.Context(), args[0], timeout, asJSON)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long one step may take")
	return c
}

func (a *app) checkKEK(ctx context.Context, uri string, timeout time.Duration, asJSON bool) error {
	var misused error
	steps, passphrase := 0, a.passphrase(ctx, false)
	failed, err := kekcheck.Run(ctx, kekcheck.Options{
		Timeout: timeout,
		Open: func(ctx context.Context) (open.KEK, error) {
			k, err := a.dialKEK(ctx, uri, passphrase)
			if err != nil {
				if _, status := explain(&ours{err}); status == ExitUsage {
					misused = err // nothing was begun
				}
				return nil, err
			}
			if d, ok := k.(keys.Development); ok {
				a.warn("development only: " + d.Development())
			}
			return k, nil
		},
		Report: func(s kekcheck.Step) error {
			steps++
			if misused != nil {
				return misused
			}
			return a.showStep(s, asJSON)
		},
	})
	switch {
	case ctx.Err() != nil:
		return bulk.ErrInterrupted
	case err != nil:
		return err
	case failed > 0:
		return &failure{fmt.Sprintf("%d of %d steps failed", failed, steps)}
	}
	return nil
}

func (a *app) showStep(s kekcheck.Step, asJSON bool) error {
	if asJSON {
		return a.printJSON(s)
	}
	line := fmt.Sprintf("%-4s  %-29s  %s", s.Result, s.Name, s.Text)
	_, err := fmt.Fprintln(a.stdout, strings.TrimRight(line, " "))
	return err
}
