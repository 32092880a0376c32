package cli

import (
	"errors"
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

--kek names a key in a KMS by its URI; it is tried before anything is made, and
cardseal kek check tries it step by step. The URI holds no secret: credentials come
from the vendor's usual environment (see cardseal kek --help).

--store names a PostgreSQL database, whose tables cardseal store migrate made before.
Its URI holds no password either: see cardseal store --help. Several machines may
share a database, each with a folder of its own that names the same key.

--codes names a PostgreSQL database of its own for the security codes of repositories
that are no issuer's: they are forgotten, and neither file nor store nor backup has
them (see cardseal cvc --help). Its tables are made by cardseal store migrate --codes
before. In a vault that is there already, write the URI into settings.json as "codes",
and as "codesTTL" how long services keep a code, if it is not 15m.

--codes-second ("codesSecond") names another such database, on another machine: the
keys of the codes are split over both, so that a copy of one, with the KMS, opens none.

Without --kek init also makes a key file, mode 0600, in another folder
($XDG_CONFIG_HOME/cardseal/keys). A key in a file, with or without a passphrase, is
for development only: PCI DSS 3.6.1.2 asks for a key that a KMS or HSM guards.`,
		Example: `  cardseal init
  cardseal init --dir ./vault --kek aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards
  cardseal init --dir ./vault --kek gcp-kms://projects/my-project/locations/europe-west3/keyRings/cards/cryptoKeys/kek
  cardseal init --dir ./vault --kek hcvault://vault.example.com:8200/transit/keys/cards
  cardseal init --dir ./vault --passphrase
  cardseal init --dir ./vault --kek local:///keys/vault.key --store bolt:///data/vault.bolt
  cardseal init --dir ./vault --kek hcvault://vault.example.com:8200/transit/keys/cards --store postgres://vault@db.example.com/cards?sslmode=verify-full
  cardseal init --dir ./vault --codes postgres://vault@codes.example.com/codes?sslmode=verify-full`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			if passphrase && o.KEK != "" && !strings.HasPrefix(o.KEK, "passphrase:") {
				return usagef("--passphrase and --kek contradict each other; --kek passphrase:///path names the file")
			}
			if passphrase && o.KEK == "" {
				o.KEK = "passphrase:"
			}
			if c.Flags().Changed("codes-ttl") && (o.Codes == "" || !vaultdir.IsCodesTTL(o.CodesTTL)) {
				return usagef("--codes-ttl goes with --codes, and is a time from 1s to 24h")
			}
			dir, _, err := a.locate()
			if err != nil {
				return err
			}
			o.Passphrase, o.OpenKEK = a.passphrase(c.Context(), true), a.openKEK
			made, err := vaultdir.Make(c.Context(), dir, &o)
			if errors.Is(err, vaultdir.ErrSecond) {
				return usagef("--codes-second goes with --codes, and names another database")
			}
			if err != nil {
				return inFolder(dir, err)
			}
			key := made.KEK
			if made.KeyFile != "" {
				key = made.KeyFile
				a.warn("development only: the key is in a file; use a KMS for real cards (PCI DSS 3.6.1.2)")
			}
			_, err = fmt.Fprintf(a.stdout, "vault  %s\nstore  %s\nkey    %s\n", made.Dir, made.Store, key)
			return err
		}),
	}
	c.Flags().StringVar(&o.KEK, "kek", "", "the key: a URI in a KMS, local:///path, or passphrase: or passphrase:///path (default a new key file)")
	c.Flags().StringVar(&o.Store, "store", "", "the store: bolt:///path or postgres://host/database (default vault.bolt in the folder)")
	c.Flags().StringVar(&o.Codes, "codes", "", "the database for security codes that are to be forgotten: postgres://host/database (default none)")
	c.Flags().StringVar(&o.CodesSecond, "codes-second", "", "another such database, over which and --codes the keys of the codes are split (default none)")
	c.Flags().DurationVar(&o.CodesTTL, "codes-ttl", 0, "how long every service on that database keeps a code (default 15m)")
	c.Flags().BoolVar(&passphrase, "passphrase", false, "guard the key by a passphrase, which is asked for; short for --kek passphrase:")
	return c
}
