package cli

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
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

Security codes that are to be forgotten are kept in a PostgreSQL database of their own
(cardseal init --codes), whose tables no log, replica or backup has a copy of.

The tables are made and brought up to date by migrate alone, with a role that owns
them. Services and all other commands only check them.`
	return c
}

// listedMigration is a migration as these commands show it.
type listedMigration struct {
	Version int64  `json:"version"`
	Name    string `json:"name"`
	Applied bool   `json:"applied"`
	Codes   bool   `json:"codes,omitempty"` // of the database for security codes
}

// tableFlags are the options of migrate and status.
type tableFlags struct {
	store, codes string
	asJSON       bool
}

func (f *tableFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.store, "store", "", "the store (default the vault's)")
	c.Flags().StringVar(&f.codes, "codes", "", "the database for security codes (default the vault's)")
	c.Flags().BoolVar(&f.asJSON, "json", false, "one JSON object a line")
}

func (a *app) storeMigrate() *cobra.Command {
	var f tableFlags
	c := &cobra.Command{
		Use: "migrate", Short: "Make or bring up to date the tables of a database",
		Long: `migrate runs the migrations that are missing, each in a transaction of its own, and
lists them: those of the vault's store and of its database for security codes, or of
what is named. It is safe to run twice, and at once on two machines. There is no way
back: take a backup first. Tables of a newer version are left alone.

It needs a role that owns the schema (cardseal store grants prints one) and a
connection of its own, not one through a proxy that pools transactions. A file needs
no migration.`,
		Example: "  cardseal store migrate\n  cardseal store migrate --store postgres://owner@db.example.com/cards?sslmode=verify-full\n" +
			"  cardseal store migrate --codes postgres://owner@codes.example.com/codes?sslmode=verify-full",
		Args: noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			list, err := a.tables(f.store, f.codes)
			if err != nil {
				return err
			}
			for _, t := range list {
				if err := a.migrate(c.Context(), &t, f.asJSON); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	f.add(c)
	return c
}

func (a *app) migrate(ctx context.Context, t *tables, asJSON bool) error {
	if t.place.Pool == nil {
		a.warn("the store is a file, which needs no migration")
		return nil
	}
	done, err := t.migrate(ctx)
	for _, m := range done {
		if err := a.showMigration(t, m, asJSON); err != nil {
			return err
		}
	}
	if err == nil && len(done) == 0 {
		a.warn("the tables are up to date: " + t.place.String())
	}
	return inDatabase(err)
}

func (a *app) storeStatus() *cobra.Command {
	var f tableFlags
	c := &cobra.Command{
		Use: "status", Short: "Say whether the store's tables are those of this version",
		Long: `status lists the migrations that this version knows and whether each was run, and
opens the store and the database for security codes, if there is one. It changes
nothing. The exit status is 1 if one of them cannot be used.`,
		Example: "  cardseal store status --json",
		Args:    noArguments,
		RunE: action(func(c *cobra.Command, _ []string) error {
			list, err := a.tables(f.store, f.codes)
			if err != nil {
				return err
			}
			for _, t := range list {
				if err := a.tableStatus(c.Context(), &t, f.asJSON); err != nil {
					return err
				}
			}
			return nil
		}),
	}
	f.add(c)
	return c
}

func (a *app) tableStatus(ctx context.Context, t *tables, asJSON bool) error {
	if t.place.Pool != nil {
		list, err := t.status(ctx)
		if err != nil {
			return inDatabase(err)
		}
		for _, m := range list {
			if err := a.showMigration(t, m, asJSON); err != nil {
				return err
			}
		}
	}
	db, err := t.open(ctx)
	if err != nil {
		return err
	}
	what := "the store"
	if t.codes {
		what = "the database for security codes"
	}
	a.warn(what + " can be used: " + t.place.String())
	return db.Close()
}

func (a *app) storeGrants() *cobra.Command {
	var codes bool
	c := &cobra.Command{
		Use: "grants", Short: "Print the SQL of the database roles",
		Long: `grants prints SQL for a database administrator: the roles cardseal_owner, who migrates,
cardseal_service, who may do what a vault does and no more, and cardseal_auditor, who
reads nothing that is sealed. Run it before the first migration and after each one.
With --codes it is that of a database for security codes, which has no auditor.`,
		Example: "  cardseal store grants | psql cards\n  cardseal store grants --codes | psql codes",
		Args:    noArguments,
		RunE: action(func(*cobra.Command, []string) error {
			text := migrate.Roles()
			if codes {
				text = migrate.EphemeralRoles()
			}
			_, err := io.WriteString(a.stdout, text)
			return err
		}),
	}
	c.Flags().BoolVar(&codes, "codes", false, "of a database for security codes")
	return c
}

func (a *app) showMigration(t *tables, m migrate.Migration, asJSON bool) error {
	if asJSON {
		return a.printJSON(listedMigration{m.Version, m.Name, m.Applied, t.codes})
	}
	state, of := "missing", ""
	if m.Applied {
		state = "applied"
	}
	if t.codes {
		of = "  (security codes)"
	}
	_, err := fmt.Fprintf(a.stdout, "%5d  %-7s  %s%s\n", m.Version, state, m.Name, of)
	return err
}

// inDatabase words what a database says to somebody who migrates.
func inDatabase(err error) error {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && !errors.Is(err, store.ErrNewer) {
		return &failure{"the database refused: " + e.Message + " (" + e.Code + ")"}
	}
	return err
}
