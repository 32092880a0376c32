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
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/keys"
)

// Longest times that a step of kek check may be given.
const maxKEKTimeout = 5 * time.Minute

func (a *app) kekCommand() *cobra.Command {
	c := group("kek", "The keys that guard the data keys",
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
with role=NAME and if need be jwt-file=/path, auth-mount=PATH.

Several keys may guard a vault, so that no data key hangs on one KMS: each of them wraps
every data key, and any one of them opens it. The vault's settings.json names the first
as "kek", the others in a list "furtherKEKs", and as "quorum" how many have to wrap a new
data key before it is used (all of them where it is not there). Whatever opens the same
store, services too, names the same keys. What one of them has not wrapped is told, and
cardseal keys rewrap completes it.

To move a vault to another key:

  1. Write the new one into "furtherKEKs", and give it to all services beside the old.
  2. cardseal keys rewrap
  3. Make the new one "kek" and take it out of "furtherKEKs"; write the old one into a
     list "oldKEKs", whose keys open what they wrapped and wrap nothing. The same in all
     services. Security codes that are to be forgotten and were put before step 1 must
     be forgotten by then: "oldKEKs" do not open them.
  4. cardseal keys rewrap --drop-others
  5. Take "oldKEKs" out of settings.json, and the old key out of all services.`
	return c
}

func (a *app) kekCheck() *cobra.Command {
	var asJSON bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "check [URI]",
		Short: "Try a KEK, or each of the vault's, step by step",
		Long: `check opens a KEK, or one after the other those that the vault's settings name, old
ones too, and tries, one line a step, whether it does all that a vault needs:
that it generates, wraps, unwraps and rewraps data keys, and that it refuses a data key
that is altered or asked for under another ID, environment, scope or purpose. A line
begins with ok, fail or note (a permission that a vault can do without), and a failure
names the permission that the call needs. Where it tries the vault's keys, a line with
key and its URI comes before each.

Nothing is stored. The data key that is tried with is bound to the environment "check":
a policy with conditions on the binding has to allow that too. The calls that must be
refused are in the KMS's audit log as failures.

The exit status is 1 if a step failed.`,
		Example: `  cardseal kek check aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards
  cardseal kek check --dir ./vault
  cardseal kek check gcp-kms://projects/my-project/locations/europe-west3/keyRings/cards/cryptoKeys/kek --json
  cardseal kek check 'hcvault://vault.example.com:8200/transit/keys/cards?auth=approle&role-id=cards&secret-id-file=/run/secrets/vault'`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return oneArgument("KEK's URI")(c, args)
		},
		RunE: action(func(c *cobra.Command, args []string) error {
			if timeout <= 0 || timeout > maxKEKTimeout {
				return usagef("--timeout must be more than 0 and at most %v", maxKEKTimeout)
			}
			if len(args) > 0 {
				failed, steps, err := a.checkKEK(c.Context(), args[0], timeout, func(s kekcheck.Step) error { return a.showStep("", s, asJSON) })
				return afterSteps(failed, steps, err)
			}
			return a.checkVault(c.Context(), timeout, asJSON)
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	c.Flags().DurationVar(&timeout, "timeout", 10*time.Second, "how long one step may take")
	return c
}

// checkVault checks each KEK of the vault, and goes on with the next where one failed.
func (a *app) checkVault(ctx context.Context, timeout time.Duration, asJSON bool) error {
	dir, _, err := a.locate()
	if err != nil {
		return err
	}
	found, err := vaultdir.Find(dir)
	if err != nil {
		return inFolder(dir, err)
	}
	failed, steps := 0, 0
	for _, k := range found.KEKs {
		if !asJSON {
			if _, err := fmt.Fprintln(a.stdout, "key   "+k.URI); err != nil {
				return err
			}
		}
		f, n, err := a.checkKEK(ctx, k.URI, timeout, func(s kekcheck.Step) error { return a.showStep(k.URI, s, asJSON) })
		if err != nil {
			return err
		}
		failed, steps = failed+f, steps+n
	}
	return afterSteps(failed, steps, nil)
}

func afterSteps(failed, steps int, err error) error {
	if err == nil && failed > 0 {
		err = &failure{fmt.Sprintf("%d of %d steps failed", failed, steps)}
	}
	return err
}

func (a *app) checkKEK(ctx context.Context, uri string, timeout time.Duration, show func(kekcheck.Step) error) (failed, steps int, err error) {
	var misused error
	passphrase := a.passphrase(ctx, false)
	failed, err = kekcheck.Run(ctx, kekcheck.Options{
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
			return show(s)
		},
	})
	if ctx.Err() != nil {
		err = bulk.ErrInterrupted
	}
	return failed, steps, err
}

// showStep shows a step, in JSON with the URI of the vault's key that it is of.
func (a *app) showStep(uri string, s kekcheck.Step, asJSON bool) error {
	if asJSON {
		return a.printJSON(struct {
			KEK string `json:"kek,omitempty"`
			kekcheck.Step
		}{uri, s})
	}
	line := fmt.Sprintf("%-4s  %-29s  %s", s.Result, s.Name, s.Text)
	_, err := fmt.Fprintln(a.stdout, strings.TrimRight(line, " "))
	return err
}
