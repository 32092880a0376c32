package cli

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
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
from the vendor's usual environment (see cardseal kek --help). Given more than once,
each of the keys wraps every data key and any one of them opens it; --quorum says how
many have to wrap a new data key before it is used, all by default.

--store names a PostgreSQL database, whose tables cardseal store migrate made before.
Its URI holds no password either: see cardseal store --help. Several machines may
share a database, each with a folder of its own that names the same keys.

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
  cardseal init --dir ./vault --kek aws-kms://arn:aws:kms:eu-central-1:111122223333:alias/cards --kek gcp-kms://projects/my-project/locations/europe-west3/keyRings/cards/cryptoKeys/kek --quorum 1
  cardseal init --dir ./vault --passphrase
  cardseal init --dir ./vault --kek local:///keys/vault.key --store bolt:///data/vault.bolt
  cardseal init --dir ./vault --kek hcvault://vault.example.com:8200/transit/keys/cards --store postgres://vault@db.example.com/cards?sslmode=verify-full
  cardseal init --dir ./vault --codes postgres://vault@codes.example.com/codes?sslmode=verify-full`,
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			if passphrase && slices.ContainsFunc(o.KEKs, func(uri string) bool { return !strings.HasPrefix(uri, "passphrase:") }) {
				return usagef("--passphrase and --kek contradict each other; --kek passphrase:///path names the file")
			}
			if passphrase && len(o.KEKs) == 0 {
				o.KEKs = []string{"passphrase:"}
			}
			if c.Flags().Changed("quorum") && (o.Quorum < 1 || o.Quorum > max(1, len(o.KEKs))) {
				return usagef("--quorum is from 1 to the number of keys that --kek names")
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
			if errors.Is(err, vaultdir.ErrTwice) {
				return usagef("--kek names one key twice")
			}
			if err != nil {
				return inFolder(dir, err)
			}
			text := fmt.Sprintf("vault  %s\nstore  %s\n", made.Dir, made.Store)
			for _, k := range made.KEKs {
				if k.File != "" {
					a.warn("development only: the key is in a file; use a KMS for real cards (PCI DSS 3.6.1.2)")
				}
				text += fmt.Sprintf("key    %s\n", cmp.Or(k.File, k.ID))
			}
			_, err = io.WriteString(a.stdout, text)
			return err
		}),
	}
	c.Flags().StringArrayVar(&o.KEKs, "kek", nil, "a key: a URI in a KMS, local:///path, or passphrase: or passphrase:///path; may be given more than once (default a new key file)")
	c.Flags().IntVar(&o.Quorum, "quorum", 0, "how many of the keys have to wrap a new data key (default all)")
	c.Flags().StringVar(&o.Store, "store", "", "the store: bolt:///path or postgres://host/database (default vault.bolt in the folder)")
	c.Flags().StringVar(&o.Codes, "codes", "", "the database for security codes that are to be forgotten: postgres://host/database (default none)")
	c.Flags().StringVar(&o.CodesSecond, "codes-second", "", "another such database, over which and --codes the keys of the codes are split (default none)")
	c.Flags().DurationVar(&o.CodesTTL, "codes-ttl", 0, "how long every service on that database keeps a code (default 15m)")
	c.Flags().BoolVar(&passphrase, "passphrase", false, "guard the key by a passphrase, which is asked for; short for --kek passphrase:")
	return c
}
