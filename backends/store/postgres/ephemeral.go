package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Ephemeral is a store of security codes that are to be forgotten, a [store.Codes],
// with the data keys that they are sealed under: UNLOGGED tables in a database of their
// own. Make it with [OpenEphemeral].
//
// No write-ahead log, and so no replica and no backup or archive made from one, ever
// holds a row of such a table. A crash or failover of the server empties all of them
// at once, codes, keys and fences; the tables stay, and a service goes on with new
// keys. A process that outlived the crash may have a key of before in its memory: what
// it seals under that can be opened only as long as it remembers.
//
// A clean restart keeps what is there, and a code that was erased stays in its table's
// file, sealed, until it is written over, as in any table of PostgreSQL. Its key does
// not: once a data key is destroyed the table of keys is in another file, and the one
// that held it is removed. A file system may go on holding the blocks of a removed file,
// which a dump of the database or a copy of its files does not read, but an image of
// the volume does. A base backup of the server leaves UNLOGGED tables out, but in the
// moment in which that other file is made it may come upon it, and so upon the wrapped
// keys of epochs that live, without a code. Copies made while a key lives are copies of
// codes and of their wrapped keys: make none.
type Ephemeral struct {
	codes
	schema string
}

var _ store.Codes = (*Ephemeral)(nil)

// OpenEphemeral takes the tables that migrate.UpEphemeral made in a database that pool
// connects to; o may be nil. It fails as [Open] does, and with an error that is
// [store.ErrDurable] where [Ephemeral.CheckEphemeral] does. The pool remains the
// caller's, who closes it after the store.
func OpenEphemeral(ctx context.Context, pool *pgxpool.Pool, o *Options) (*Ephemeral, error) {
	schema := o.schema()
	db := &DB{pool: pool, sql: newStatements(schema), codeSQL: newCodeStatements(schema)}
	db.sql.ephemeral(schema)
	e := &Ephemeral{codes: codes{db}, schema: schema}
	if err := e.checkServer(ctx); err != nil {
		return nil, err
	}
	if err := db.checkSchema(ctx, schema, EphemeralVersion, "cardseal store migrate --codes"); err != nil {
		return nil, err
	}
	if err := e.CheckEphemeral(ctx); err != nil {
		return nil, err
	}
	return e, nil
}

// Keys is the store of the data keys that the codes are sealed under.
func (e *Ephemeral) Keys() keys.Store { return keyStore{e.db} }

// Close makes later calls fail, as [DB.Close] does.
func (e *Ephemeral) Close() error { return e.db.Close() }

// checks are questions to the database's catalogues, each a query of at most one row
// with an object's name, which is there if the answer is bad. $1 is the schema, $2 the
// table that notes migrations, which holds nothing of codes and may be durable; ours
// are the other relations, with what PostgreSQL keeps out of line.
var checks = []struct{ query, problem string }{
	{"SELECT relname FROM ours WHERE relpersistence <> 'u' ORDER BY oid", "%s is not UNLOGGED"},
	{"SELECT name FROM unnest(ARRAY['codes', 'fences', 'rings', 'data_keys']) AS w(name) WHERE name NOT IN (SELECT relname FROM ours WHERE relkind = 'r')",
		"%s is no plain table"},
	{"SELECT t.tgname FROM pg_trigger t JOIN ours ON ours.oid = t.tgrelid WHERE NOT t.tgisinternal", "trigger %s could copy rows"},
	{"SELECT r.rulename FROM pg_rewrite r JOIN ours ON ours.oid = r.ev_class", "rule or view %s could copy rows"},
	{"SELECT c.relname FROM pg_inherits i JOIN ours ON ours.oid IN (i.inhrelid, i.inhparent) JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind <> 'i'",
		"table %s inherits"},
	{"SELECT format('%s.%s', ours.relname, a.attname) FROM pg_attribute a JOIN ours ON ours.oid = a.attrelid WHERE ours.relkind = 'r' AND a.attnum > 0 " +
		"AND NOT a.attisdropped AND coalesce(a.attstattarget, -1) <> 0 ORDER BY ours.oid, a.attnum",
		"column %s has statistics, which are copies of its values: SET STATISTICS 0"},
	{"SELECT s.stxname FROM pg_statistic_ext s JOIN ours ON ours.oid = s.stxrelid", "statistics %s are copies of rows"},
	{"SELECT ours.relname FROM pg_index i JOIN ours ON ours.oid = i.indexrelid WHERE i.indexprs IS NOT NULL",
		"index %s is of an expression, of which statistics are copies"},
	{"SELECT c.relname FROM pg_depend d JOIN ours ON ours.oid = d.refobjid JOIN pg_rewrite r ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid " +
		"JOIN pg_class c ON c.oid = r.ev_class WHERE c.relkind = 'm'", "materialized view %s copies rows"},
	{"SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = '" + VersionTable + "'",
		"schema %s of the same database is a card store's: codes belong into a database of their own"},
	{"SELECT pubname FROM pg_publication", "publication %s is for logical replication: the database must have none"},
	{"SELECT 'aurora' FROM pg_proc WHERE proname = 'aurora_version' UNION ALL " +
		"SELECT split_part(name, '.', 1) FROM pg_settings WHERE split_part(name, '.', 1) IN ('alloydb', 'neon')",
		"the engine is %s, whose storage is not PostgreSQL's own"},
}

const ours = "WITH note AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2), " +
	"tables AS (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.oid NOT IN (SELECT oid FROM note) " +
	"AND NOT EXISTS (SELECT FROM pg_depend d JOIN note ON note.oid = d.refobjid WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid) " +
	"AND c.oid NOT IN (SELECT i.indexrelid FROM pg_index i JOIN note ON note.oid = i.indrelid) AND c.relkind <> 'c'), " +
	"toast AS (SELECT c.reltoastrelid AS oid FROM pg_class c JOIN tables ON tables.oid = c.oid WHERE c.reltoastrelid <> 0), " +
	"ours AS (SELECT c.* FROM pg_class c WHERE c.oid IN (SELECT oid FROM tables UNION ALL SELECT oid FROM toast " +
	"UNION ALL SELECT i.indexrelid FROM pg_index i WHERE i.indrelid IN (SELECT oid FROM tables UNION ALL SELECT oid FROM toast))) "

// CheckEphemeral asks the database whether it is a PostgreSQL that is no standby,
// whether all tables of the schema, their indexes and sequences are UNLOGGED and have
// nothing about them that copies rows elsewhere, statistics of their columns included,
// which the server keeps in a logged table, whether there is a publication, and
// whether a card store is in the same database. It does not see what is beside the
// database: snapshots of its volume, dumps, statements that the server logs.
func (e *Ephemeral) CheckEphemeral(ctx context.Context) error {
	if err := e.checkServer(ctx); err != nil {
		return err
	}
	var problems []string
	err := e.db.view(ctx, func(conn *pgxpool.Conn) error {
		problems = nil
		for _, check := range checks {
			var name string
			err := conn.QueryRow(ctx, ours+check.query+" LIMIT 1", e.schema, EphemeralVersionTable).Scan(&name)
			switch {
			case err == nil:
				problems = append(problems, fmt.Sprintf(check.problem, name))
			case !errors.Is(err, pgx.ErrNoRows):
				return err
			}
		}
		return nil
	})
	if err == nil && problems != nil {
		err = fmt.Errorf("postgres: %w: %s", store.ErrDurable, strings.Join(problems, "; "))
	}
	return err
}

// checkServer asks what can be asked of any server, of a standby too, which does not
// let UNLOGGED tables be read.
func (e *Ephemeral) checkServer(ctx context.Context) error {
	var version string
	standby := false
	err := e.db.view(ctx, func(conn *pgxpool.Conn) error {
		if err := conn.QueryRow(ctx, "SELECT version()").Scan(&version); err != nil || !isPostgreSQL(version) {
			return err
		}
		return conn.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&standby)
	})
	switch {
	case err != nil:
		return err
	case !isPostgreSQL(version):
		return fmt.Errorf("postgres: %w: the engine is not PostgreSQL, UNLOGGED may mean something else to it", store.ErrDurable)
	case standby:
		return fmt.Errorf("postgres: %w: the server is a standby", store.ErrDurable)
	}
	return nil
}
