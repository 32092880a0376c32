// Package migrate makes and brings up to date the tables of package postgres. It
// is apart from it so that a service, which only checks them, neither links this
// nor has the rights it needs.
//
// There are two sets: [Up] makes the tables of a card store, [UpEphemeral] the
// UNLOGGED ones of a store of security codes, in a database of its own.
//
// Migrations are SQL files with ascending numbers, run by
// github.com/pressly/goose, each in a transaction of its own together with the
// note that it was run: it is there whole or not at all. An advisory lock keeps two
// migrators apart. There is no way down: what a newer version stored, an older one
// could misread.
//
// Use a role that owns the schema; [Roles] has the statements for that one, for a
// service and for an auditor. The connection must be a session of its own, not one
// of a proxy that pools transactions.
package migrate

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/tokenize/store"
)

//go:embed sql/*.sql ephemeral/*.sql
var files embed.FS

//go:embed roles.sql
var roles string

//go:embed ephemeral_roles.sql
var ephemeralRoles string

// set is a set of migrations.
type set struct {
	folder string // of files
	table  string // in which those that were run are noted
	known  int64  // the last one
}

var (
	durable   = set{"sql", postgres.VersionTable, postgres.SchemaVersion}
	ephemeral = set{"ephemeral", postgres.EphemeralVersionTable, postgres.EphemeralVersion}
)

// Roles is SQL for a database administrator: roles for whoever migrates, for a
// service and for an auditor, and what each may do in the schema cardseal. It can
// be run again, and has to be after a migration that makes tables.
func Roles() string { return roles }

// EphemeralRoles is what [Roles] is for an ephemeral database.
func EphemeralRoles() string { return ephemeralRoles }

// Migration is one step.
type Migration struct {
	Version int64
	Name    string // of its file
	Applied bool
}

// Up runs the migrations that are missing in a schema, which it makes if need be;
// "" is [postgres.DefaultSchema]. It returns what it ran. It fails with
// [store.ErrNewer] on tables of a newer version, which it leaves alone.
func Up(ctx context.Context, config *pgx.ConnConfig, schema string) ([]Migration, error) {
	return durable.up(ctx, config, schema)
}

// UpEphemeral is [Up] for an ephemeral database, see [postgres.OpenEphemeral]. A crash
// empties its tables and leaves them there: it need not be run again.
func UpEphemeral(ctx context.Context, config *pgx.ConnConfig, schema string) ([]Migration, error) {
	return ephemeral.up(ctx, config, schema)
}

func (s set) up(ctx context.Context, config *pgx.ConnConfig, schema string) (done []Migration, err error) {
	schema = orDefault(schema)
	quoted := pgx.Identifier{schema}.Sanitize()
	config = config.Copy()
	config.RuntimeParams["search_path"] = quoted
	db := stdlib.OpenDB(*config)
	defer db.Close()
	if err := makeSchema(ctx, db, schema, quoted); err != nil {
		return nil, err
	}
	p, err := s.provider(db)
	if err != nil {
		return nil, err
	}
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	if version > s.known {
		return nil, s.newer(version)
	}
	results, err := p.Up(ctx)
	if e, ok := errors.AsType[*goose.PartialError](err); ok {
		results, err = e.Applied, e.Err
	}
	for _, r := range results {
		done = append(done, Migration{r.Source.Version, path.Base(r.Source.Path), true})
	}
	if err != nil {
		return done, fmt.Errorf("migrate: %w", err)
	}
	return done, nil
}

func (s set) provider(db *sql.DB) (*goose.Provider, error) {
	steps, err := fs.Sub(files, s.folder)
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(goose.DialectPostgres, db, steps,
		goose.WithTableName(s.table), goose.WithSessionLocker(locker), goose.WithDisableGlobalRegistry(true))
}

// Status lists the migrations that this version knows and which of them were run.
// It changes nothing, and the right to read is enough. It fails with
// [store.ErrNewer] on tables of a newer version.
func Status(ctx context.Context, config *pgx.ConnConfig, schema string) ([]Migration, error) {
	return durable.status(ctx, config, schema)
}

// StatusEphemeral is [Status] for an ephemeral database.
func StatusEphemeral(ctx context.Context, config *pgx.ConnConfig, schema string) ([]Migration, error) {
	return ephemeral.status(ctx, config, schema)
}

func (s set) status(ctx context.Context, config *pgx.ConnConfig, schema string) ([]Migration, error) {
	schema = orDefault(schema)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	defer conn.Close(ctx)
	table := pgx.Identifier{schema, s.table}.Sanitize()
	var applied []int64
	rows, err := conn.Query(ctx, "SELECT version_id FROM "+table+" WHERE is_applied AND version_id > 0")
	if err == nil {
		applied, err = pgx.CollectRows(rows, pgx.RowTo[int64])
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && (e.Code == "42P01" || e.Code == "3F000") {
		applied, err = nil, nil // nothing was ever run
	}
	if err != nil {
		return nil, fmt.Errorf("migrate: %w", err)
	}
	if slices.Max(append(applied, 0)) > s.known {
		return nil, s.newer(slices.Max(applied))
	}
	return s.list(applied)
}

// list lists the embedded files, which goose names by number and underscore.
func (s set) list(applied []int64) (list []Migration, err error) {
	entries, err := files.ReadDir(s.folder)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, err
		}
		list = append(list, Migration{version, e.Name(), slices.Contains(applied, version)})
	}
	return list, nil
}

func orDefault(schema string) string {
	if schema == "" {
		return postgres.DefaultSchema
	}
	return schema
}

func (s set) newer(version int64) error {
	return fmt.Errorf("migrate: %w: the schema is at version %d, this version knows up to %d", store.ErrNewer, version, s.known)
}

// makeSchema asks first: a role may be allowed to use a schema and not to make one.
func makeSchema(ctx context.Context, db *sql.DB, schema, quoted string) error {
	var there bool
	err := db.QueryRowContext(ctx, "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)", schema).Scan(&there)
	if err == nil && !there {
		_, err = db.ExecContext(ctx, "CREATE SCHEMA IF NOT EXISTS "+quoted)
		if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == "23505" {
			err = nil // PostgreSQL's answer to two who make it at once
		}
	}
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	return nil
}
