package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
)

func (a *app) initCommand() *cobra.Command {
	var o vaultdir.MakeOptions
	var passphrase bool
	c := &cobra.Command{
		Use:   "init",
		Short: "Make a vault",
		Long: `init makes a vault: a folder with settings.json and the store vault.bolt.

Without --kek it also makes a key file, mode 0600, in another folder
($XDG_CONFIG_HOME/cardseal/keys). A key in a file, with or without a passphrase, is
for development only: PCI DSS 3.6.1.2 asks for a key that a KMS or HSM guards.`,
		Example: `  cardseal init
  cardseal init --dir ./vault --passphrase
  cardseal init --dir ./vault --kek local:///keys/vault.key --store bolt:///data/vault.bolt`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			if passphrase && o.KEK != "" && !strings.HasPrefix(o.KEK, "passphrase:") {
				return usagef("--passphrase and --kek contradict each other; --kek passphrase:///path names the file")
			}
			if passphrase && o.KEK == "" {
				o.KEK = "passphrase:"
			}
			dir, _, err := a.locate()
			if err != nil {
				return err
			}
			o.Passphrase = a.passphrase(c.Context(), true)
			made, err := vaultdir.Make(c.Context(), dir, &o)
			if err != nil {
				return inFolder(dir, err)
			}
			a.warn("development only: the key is in a file; use a KMS for real cards (PCI DSS 3.6.1.2)")
			_, err = fmt.Fprintf(a.stdout, "vault  %s\nstore  %s\nkey    %s\n", made.Dir, made.Store, made.Key)
			return err
		}),
	}
	c.Flags().StringVar(&o.KEK, "kek", "", "the key: local:///path, or passphrase: or passphrase:///path (default a new key file)")
	c.Flags().StringVar(&o.Store, "store", "", "the store: bolt:///path (default vault.bolt in the folder)")
	c.Flags().BoolVar(&passphrase, "passphrase", false, "guard the key by a passphrase, which is asked for; short for --kek passphrase:")
	return c
}
