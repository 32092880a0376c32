package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
	"github.com/cardseal/cardseal/tokenize/store"
)

func (a *app) storeCommand() *cobra.Command {
	c := group("store", "The store's tables",
		"  cardseal store status\n  cardseal store migrate --store postgres://owner@db.example.com/cards?sslmode=verify-full",
		a.storeMigrate(), a.storeStatus(), a.storeGrants())
	c.Long = `A vault's store is a file (bolt:///path), or a PostgreSQL database:

  postgres://[USER@]HOST[:PORT]/DATABASE[?sslmode=verify-full&schema=NAME]

The URI never holds a password, since arguments are in process lists. PGPASSWORD, a
password file (PGPASSFILE, ~/.pgpass), PGSERVICE, client certificates (PGSSLCERT,
PGSSLKEY, PGSSLROOTCERT) and the rest of PostgreSQL's usual environment serve; they
also fill in what the URI leaves out.

The tables are made and brought up to date by migrate alone, with a role that owns
them. Services and all other commands only check them.`
	return c
}

// place is the store that an option names, or the vault's.
func (a *app) place(uri string) (vaultdir.Place, error) {
	dir, _, err := a.locate()
	if err != nil {
		return vaultdir.Place{}, err
	}
	if uri != "" {
		return vaultdir.ParseStore(dir, uri)
	}
	found, err := vaultdir.Find(dir)
	return found.Store, inFolder(dir, err)
}

// listedMigration is a migration as these commands show it.
type listedMigration struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
}

func (a *app) storeMigrate() *cobra.Command {
	var uri string
	var asJSON bool
	c := &cobra.Command{
		Use: "migrate", Short: "Make or bring up to date the tables of a database",
		Long: `migrate runs the migrations that are missing, each in a transaction of its own, and
lists them. It is safe to run twice, and at once on two machines. There is no way
back: take a backup first. Tables of a newer version are left alone.

It needs a role that owns the schema (cardseal store grants prints one) and a
connection of its own, not one through a proxy that pools transactions. A file needs
no migration.`,
		Example: "  cardseal store migrate\n  cardseal store migrate --store postgres://owner@db.example.com/cards?sslmode=verify-full",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			p, err := a.place(uri)
			if err != nil {
				return err
			}
			if p.Pool == nil {
				a.warn("the store is a file, which needs no migration")
				return nil
			}
			done, err := migrate.Up(c.Context(), p.Pool.ConnConfig, p.Schema)
			for _, m := range done {
				if err := a.showMigration(m, asJSON); err != nil {
					return err
				}
			}
			if err == nil && len(done) == 0 {
				a.warn("the tables are up to date")
			}
			return inDatabase(err)
		}),
	}
	c.Flags().StringVar(&uri, "store", "", "the store (default the vault's)")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (a *app) storeStatus() *cobra.Command {
	var uri string
	var asJSON bool
	c := &cobra.Command{
		Use: "status", Short: "Say whether the store's tables are those of this version",
		Long: `status lists the migrations that this version knows and whether each was run, and
opens the store. It changes nothing. The exit status is 1 if the store cannot be used.`,
		Example: "  cardseal store status --json",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			p, err := a.place(uri)
			if err != nil {
				return err
			}
			if p.Pool != nil {
				list, err := migrate.Status(c.Context(), p.Pool.ConnConfig, p.Schema)
				if err != nil {
					return inDatabase(err)
				}
				for _, m := range list {
					if err := a.showMigration(m, asJSON); err != nil {
						return err
					}
				}
			}
			return a.tryStore(c.Context(), p)
		}),
	}
	c.Flags().StringVar(&uri, "store", "", "the store (default the vault's)")
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object a line")
	return c
}

func (a *app) tryStore(ctx context.Context, p vaultdir.Place) error {
	db, err := p.Open(ctx, nil)
	if err != nil {
		return err
	}
	a.warn("the store can be used: " + p.String())
	return db.Close()
}

func (a *app) storeGrants() *cobra.Command {
	return &cobra.Command{
		Use: "grants", Short: "Print the SQL of three database roles",
		Long: `grants prints SQL for a database administrator: the roles cardseal_owner, who migrates,
cardseal_service, who may do what a vault does and no more, and cardseal_auditor, who
reads nothing that is sealed. Run it before the first migration and after each one.`,
		Example: "  cardseal store grants | psql cards",
		Args:    noArguments,
		RunE: action(func(*cobra.Command, []string) error {
			_, err := io.WriteString(a.stdout, migrate.Roles())
			return err
		}),
	}
}

func (a *app) showMigration(m migrate.Migration, asJSON bool) error {
	if asJSON {
		return a.printJSON(listedMigration(m))
	}
	state := "missing"
	if m.Applied {
		state = "applied"
	}
	_, err := fmt.Fprintf(a.stdout, "%5d  %-7s  %s\n", m.Version, state, m.Name)
	return err
}

// inDatabase words what a database says to somebody who migrates.
func inDatabase(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && !errors.Is(err, store.ErrNewer) {
		return &failure{"the database refused: " + e.Message + " (" + e.Code + ")"}
	}
	return err
}
