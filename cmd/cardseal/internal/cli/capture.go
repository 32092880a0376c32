package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/audit"
	"github.com/cardseal/cardseal/tokenize/capture"
)

func (a *app) captureCommand() *cobra.Command {
	return group("capture", "Public keys that clients encrypt cards to, and what they encrypted",
		"  cardseal capture new-key --alias web\n  cardseal capture list\n  cardseal capture open --alias web --in messages.txt --out cards.jsonl --reason \"dispute 4711\"",
		a.captureNewKey(), a.captureList(), a.captureRetire(), a.captureOpen())
}

// defaultLife is how long a new key opens messages.
const defaultLife = 90 * 24 * time.Hour

func (a *app) captureNewKey() *cobra.Command {
	var alias, suite, repo, actor string
	var life time.Duration
	c := &cobra.Command{
		Use: "new-key", Short: "Make a key pair under an alias, and print what to publish",
		Long: `new-key makes a key pair and prints its public half as one JSON object, to be served to
clients as it is. The private half is kept sealed in the vault. Earlier keys of the
alias live on until they retire, so that pages loaded before still work.

  hpke-p256         what every browser can do
  hpke-x25519       HPKE as well; not in FIPS mode
  hpke-xwing        HPKE that a quantum computer does not open either
  jwe-rsa-oaep-256  for clients with a JOSE library
  jwe-ecdh-es       likewise`,
		Example: `  cardseal capture new-key --alias web > key.json
  cardseal capture new-key --alias app --suite jwe-ecdh-es --life 720h --repository SHOP`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			if err := needs("alias", alias); err != nil {
				return err
			}
			s, err := cryptocapture.ParseSuite(suite)
			if err != nil {
				return usagef("--suite is not a known word; see --help")
			}
			return a.onCaptureKeys(c.Context(), repo, actor, func(v *vaultdir.Vault, ring *capture.Keyring, e audit.Event) error {
				const lost = "the key was made, but the audit log could not be written; see cardseal capture list"
				e.Action, e.Reason = audit.MakeCaptureKey, "for "+suite
				var p capture.Published
				err := recorded(c.Context(), v, e, lost, func(e *audit.Event) (err error) {
					if p, err = ring.Generate(c.Context(), alias, s, life); err == nil {
						e.Reason = fmt.Sprintf("capture key %s of alias %s", p.KeyID, p.Alias)
					}
					return captureError(err)
				})
				if err != nil {
					return err
				}
				return a.printJSON(p)
			})
		}),
	}
	flags := c.Flags()
	flags.StringVar(&alias, "alias", "", "the name under which clients ask for it: 1 to 64 of A-Z a-z 0-9 . _ -")
	flags.StringVar(&suite, "suite", cryptocapture.HPKEP256.String(), "what clients encrypt with")
	flags.DurationVar(&life, "life", defaultLife, "how long it opens messages, two years (17520h) at most")
	captureFlags(c, &repo, &actor)
	return c
}

func captureFlags(c *cobra.Command, repo, actor *string) {
	c.Flags().StringVar(repo, "repository", defaultRepository, "the repository's ID")
	actorFlag(c, actor)
}

// onCaptureKeys calls f with the capture keys of a repository, and an event of it.
func (a *app) onCaptureKeys(ctx context.Context, id, actor string, f func(*vaultdir.Vault, *capture.Keyring, audit.Event) error) error {
	who, err := actorOf(actor)
	if err != nil {
		return err
	}
	v, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer v.Close()
	repo, err := repository(ctx, v, id)
	if err != nil {
		return err
	}
	ring, err := repo.CaptureKeys()
	if err != nil {
		return err
	}
	return closed(v, f(v, ring, audit.Event{Owner: who, Repository: repo.Config().ID}))
}

// captureError says in plain words what was wrong about a capture key.
func captureError(err error) error {
	if e, ok := errors.AsType[*capture.ArgumentError](err); ok {
		return usagef("--%s %s", e.Field, e.Reason)
	}
	if errors.Is(err, capture.ErrNoKey) {
		return errNoCaptureKey
	}
	if e, ok := errors.AsType[*capture.DamagedError](err); ok {
		return &failure{strings.TrimPrefix(e.Error(), "capture: ")}
	}
	return err
}

var errNoCaptureKey = &failure{"the repository has no such key; see cardseal capture list"}

// listedCapture is a capture key as capture list shows it.
type listedCapture struct {
	capture.Published
	Retired bool `json:"retired"`
}

func (a *app) captureList() *cobra.Command {
	var alias, repo string
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List a repository's capture keys",
		Long: `list shows the keys of a repository by alias, newest first (those of one second in no
order of age), retired ones included; with --json as they are published, and whether they
are retired.`,
		Example: "  cardseal capture list\n  cardseal capture list --alias web --json",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			return a.onCaptureKeys(c.Context(), repo, "", func(_ *vaultdir.Vault, ring *capture.Keyring, _ audit.Event) error {
				all, err := ring.All(c.Context())
				if all == nil && err != nil {
					return captureError(err)
				}
				now := time.Now()
				for _, p := range all {
					if alias != "" && p.Alias != alias {
						continue
					}
					if err := a.showCapture(listedCapture{p, !now.Before(p.Retires)}, asJSON); err != nil {
						return err
					}
				}
				return captureError(err)
			})
		}),
	}
	flags := c.Flags()
	flags.StringVar(&alias, "alias", "", "keys of this alias alone")
	flags.StringVar(&repo, "repository", defaultRepository, "the repository's ID")
	flags.BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (a *app) showCapture(p listedCapture, asJSON bool) error {
	if asJSON {
		return a.printJSON(p)
	}
	state := "retires"
	if p.Retired {
		state = "retired"
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %s  %-16s  made %s  %s %s\n",
		p.Alias, p.KeyID, p.Suite, p.Created.Format(time.RFC3339), state, p.Retires.Format(time.RFC3339))
	return err
}

func (a *app) captureRetire() *cobra.Command {
	var repo, actor string
	var after time.Duration
	c := &cobra.Command{
		Use: "retire ID", Short: "Have a capture key open no more messages",
		Long: `retire ends a key's life, at once or after a while. What was encrypted to it and was
not saved by then is refused. It never lengthens a key's life.`,
		Example: "  cardseal capture retire " + exampleKey + "\n  cardseal capture retire " + exampleKey + " --after 15m",
		Args:    oneArgument("key's ID"),
		RunE: action(func(c *cobra.Command, args []string) error {
			id, err := parseKeyID(args[0])
			if err != nil {
				return err
			}
			if after < 0 {
				return usagef("--after must not be negative")
			}
			return a.onCaptureKeys(c.Context(), repo, actor, func(v *vaultdir.Vault, ring *capture.Keyring, e audit.Event) error {
				alias, err := aliasOf(c.Context(), ring, capture.KeyID(id))
				if err != nil {
					return err
				}
				const lost = "the key was retired, but the audit log could not be written; see cardseal capture list"
				e.Action, e.Reason = audit.RetireCaptureKey, fmt.Sprintf("capture key %v of alias %s", id, alias)
				return recorded(c.Context(), v, e, lost, func(*audit.Event) error {
					return captureError(ring.Retire(c.Context(), alias, capture.KeyID(id), time.Now().Add(after)))
				})
			})
		}),
	}
	c.Flags().DurationVar(&after, "after", 0, "how long it still opens messages, such as 15m (default not at all)")
	captureFlags(c, &repo, &actor)
	return c
}

// aliasOf finds a key's alias.
func aliasOf(ctx context.Context, ring *capture.Keyring, id capture.KeyID) (string, error) {
	all, err := ring.All(ctx)
	for _, p := range all {
		if p.KeyID == id.String() {
			return p.Alias, nil
		}
	}
	if err != nil {
		return "", captureError(err)
	}
	return "", errNoCaptureKey
}

// resealCaptureKeys is reseal of the ring capture.
func (a *app) resealCaptureKeys(ctx context.Context, v *vaultdir.Vault, f *resealFlags) error {
	if f.rate > 0 {
		return usagef("--rows-per-second is for ring pan")
	}
	repos, err := a.repositories(ctx, v, f.repository)
	if err != nil {
		return err
	}
	left := false
	for _, repo := range repos {
		damaged, err := a.resealCaptureOne(ctx, v, repo, f)
		if err != nil {
			return err
		}
		left = left || damaged
	}
	if left {
		a.warn("capture keys that do not unseal stay as they are; all others are done")
		return errPart
	}
	return nil
}

func (a *app) resealCaptureOne(ctx context.Context, v *vaultdir.Vault, repo *tokenize.Repository, f *resealFlags) (damaged bool, err error) {
	actor, err := actorOf(f.actor)
	if err != nil {
		return false, err
	}
	ring, err := repo.CaptureKeys()
	if err != nil {
		return false, err
	}
	const lost = "the keys were sealed anew, but the audit log could not be written"
	id, n := repo.Config().ID, 0
	e := audit.Event{Action: audit.Reseal, Owner: actor, Repository: id, Reason: "ring " + string(keys.Capture)}
	err = recorded(ctx, v, e, lost, func(e *audit.Event) (err error) {
		n, err = ring.Reseal(ctx)
		if _, damaged = errors.AsType[*capture.DamagedError](err); damaged {
			e.Reason += ", but for keys that do not unseal"
			return nil
		}
		return err
	})
	if err != nil {
		return false, err
	}
	if f.asJSON {
		return damaged, a.printJSON(resealedCount{Ring: keys.Capture, Repository: id, Changed: n, Unopened: damaged})
	}
	_, err = fmt.Fprintf(a.stdout, "%s  %d capture keys sealed anew\n", id, n)
	return damaged, err
}
