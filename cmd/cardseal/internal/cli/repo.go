package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
)

func (a *app) repoCommand() *cobra.Command {
	return group("repo", "Repositories and their configuration",
		"  cardseal repo create SHOP --generation PRESERVE_6_4 --management UNIQUE_TOKEN\n  cardseal repo list --json",
		a.repoCreate(), a.repoList(), a.repoShow(), a.repoAssign())
}

func (a *app) repoCreate() *cobra.Command {
	var generation, management, verification, masking string
	var expiry, issuer, perScope, asJSON bool
	c := &cobra.Command{
		Use:   "create ID",
		Short: "Make a repository; its configuration never changes",
		Long: `create makes a repository. One that exists with the same configuration is no
error; with another one it is.

  RANDOM_WITH_LUHN   16 random digits that begin with 9 and pass Luhn
  PRESERVE_6_4       the card's first six and last four digits; fails Luhn
  UUID               a random UUID
  FF1                the card's first six and last four digits around the encrypted
                     middle, without a choice: one token for a card, for ever
  MERCHANT_PROVIDED  the caller of the library supplies the token

  UNIQUE_CARD        a card has one token
  UNIQUE_TOKEN       every save makes a new token

--per-scope-keys gives the repository data keys of its own, so that its cards can be
shredded apart from all others; each such repository calls the KMS on its own account.

--issuer-codes lets the repository keep its cards' security codes for good, which only
the issuer of the cards may (PCI DSS 3.3.3); the audit log says so. Codes of other
repositories are forgotten: see cardseal cvc --help.`,
		Example: `  cardseal repo create SHOP
  cardseal repo create SHOP-EU --generation UUID --management UNIQUE_TOKEN --masking 0.4`,
		Args: oneArgument("repository's ID"),
		RunE: action(func(c *cobra.Command, args []string) error {
			config := tokenize.Config{ID: args[0], RequireExpiry: expiry, IssuerCodes: issuer, PerScopeKeys: perScope}
			for _, f := range []struct {
				name, text string
				parse      func([]byte) error
			}{
				{"generation", generation, config.Generation.UnmarshalText},
				{"management", management, config.Management.UnmarshalText},
				{"verification", verification, config.Verification.UnmarshalText},
			} {
				if err := f.parse([]byte(f.text)); err != nil {
					return usagef("--%s is not a known word; see --help", f.name)
				}
			}
			var err error
			if config.Masking, err = card.ParseMask(masking); err != nil {
				return usagef("--masking %s", err.Error())
			}
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			repo, err := v.Vault.EnsureRepository(c.Context(), config)
			if err != nil {
				return err
			}
			return closed(v, a.showRepository(repo.Config(), asJSON))
		}),
	}
	flags := c.Flags()
	flags.StringVar(&generation, "generation", "RANDOM_WITH_LUHN", "how tokens are made")
	flags.StringVar(&management, "management", "UNIQUE_CARD", "how many tokens a card has")
	flags.StringVar(&verification, "verification", "BASIC", "how cards are checked: NONE or BASIC")
	flags.StringVar(&masking, "masking", "6.4", "how many first and last digits are shown")
	flags.BoolVar(&expiry, "require-expiry", false, "refuse cards without an expiry")
	flags.BoolVar(&perScope, "per-scope-keys", false, "data keys of the repository's own")
	flags.BoolVar(&issuer, "issuer-codes", false, "keep security codes for good, as the issuer of the cards")
	flags.BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func (a *app) repoList() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List repositories", Example: "  cardseal repo list",
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			configs, err := v.Vault.Repositories(c.Context())
			if err != nil {
				return err
			}
			for _, config := range configs {
				if err := a.showRepository(config, asJSON); err != nil {
					return err
				}
			}
			return v.Close()
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (a *app) repoShow() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "show ID", Short: "Show a repository's configuration", Example: "  cardseal repo show SHOP --json",
		Long: `show prints a repository's configuration and, unless --json is given, what is
particular about it; cardseal doctor says what holds for all of them as well.`,
		Args: oneArgument("repository's ID"),
		RunE: action(func(c *cobra.Command, args []string) error {
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			defer v.Close()
			repo, err := repository(c.Context(), v, args[0])
			if err != nil {
				return err
			}
			if err := a.showRepository(repo.Config(), asJSON); err != nil {
				return err
			}
			for _, risk := range repo.Config().Risks() {
				if risk.Inherent || asJSON {
					continue
				}
				if _, err := fmt.Fprintf(a.stdout, "  %s\n", risk.Text); err != nil {
					return err
				}
			}
			return v.Close()
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return c
}

func (a *app) repoAssign() *cobra.Command {
	var merchant string
	c := &cobra.Command{
		Use:   "assign ID",
		Short: "Say that a merchant uses a repository, and no other",
		Long: `assign gives a merchant a repository. A merchant uses one at a time, several may
share one; a service may serve it where it was for another minute. A merchant whose ID
begins with TEST is for test twins, which services open, not this program.`,
		Example: "  cardseal repo assign SHOP --merchant M1",
		Args:    oneArgument("repository's ID"),
		RunE: action(func(c *cobra.Command, args []string) error {
			if err := needs("merchant", merchant); err != nil {
				return err
			}
			v, err := a.open(c.Context())
			if err != nil {
				return err
			}
			return closed(v, v.Vault.AssignMerchant(c.Context(), merchant, args[0]))
		}),
	}
	c.Flags().StringVar(&merchant, "merchant", "", "the merchant's ID, 1 to 40 of 0-9 a-z A-Z - _")
	return c
}

func (a *app) showRepository(c tokenize.Config, asJSON bool) error {
	if asJSON {
		return a.printJSON(c)
	}
	more := ""
	if c.RequireExpiry {
		more += "  expiry required"
	}
	if c.PerScopeKeys {
		more += "  keys of its own"
	}
	if c.IssuerCodes {
		more += "  issuer's codes"
	}
	_, err := fmt.Fprintf(a.stdout, "%s  %v  %v  verification %v  masking %v%s\n",
		c.ID, c.Generation, c.Management, c.Verification, c.Masking, more)
	return err
}
