package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/tokenize/store"
)

// SchemaVersion is the number of the last migration that this version of the
// package knows and needs; EphemeralVersion that of an ephemeral database.
const (
	SchemaVersion    = 3
	EphemeralVersion = 1
)

// VersionTable is the table of a schema in which package migrate notes the
// migrations that were run; EphemeralVersionTable that of an ephemeral database, with
// a name of its own so that neither is taken for the other.
const (
	VersionTable          = "cardseal_migrations"
	EphemeralVersionTable = "cardseal_ephemeral_migrations"
)

// ErrSchema is a database whose tables this version of the package cannot use.
// The error's text says what is wrong and what to do.
var ErrSchema = errors.New("postgres: the tables are not those of this version")

// checkSchema reads the version of the tables and sees whether they are there. Known
// is the last migration, how is what runs them.
func (db *DB) checkSchema(ctx context.Context, schema string, known int64, how string) error {
	var version *int64
	var server string
	err := db.view(ctx, func(conn *pgxpool.Conn) error {
		if err := conn.QueryRow(ctx, "SELECT version()").Scan(&server); err != nil {
			return err
		}
		return conn.QueryRow(ctx, db.sql.schemaVersion).Scan(&version)
	})
	switch {
	case isCode(err, "42P01", "3F000"):
		return fmt.Errorf("%w: schema %q holds none of cardseal's; run the migrations (%s)", ErrSchema, schema, how)
	case err != nil:
		return err
	case version == nil:
		return fmt.Errorf("%w: in schema %q no migration was completed; run them (%s)", ErrSchema, schema, how)
	case *version > known:
		return fmt.Errorf("postgres: %w: schema %q is at version %d, this version knows up to %d", store.ErrNewer, schema, *version, known)
	case *version < known:
		return fmt.Errorf("%w: schema %q is at version %d, this version needs %d; run the migrations (%s)",
			ErrSchema, schema, *version, known, how)
	}
	// CockroachDB and YugabyteDB speak the protocol and lack LOCK TABLE.
	db.sql.lockTables = isPostgreSQL(server)
	err = db.view(ctx, func(conn *pgxpool.Conn) error {
		b := &pgx.Batch{}
		for _, probe := range db.sql.probes {
			b.Queue(probe)
		}
		return conn.SendBatch(ctx, b).Close()
	})
	if isCode(err, "42P01", "42703", "3F000") {
		return fmt.Errorf("%w: schema %q says version %d but lacks tables or columns of it: a migration was cut short, "+
			"or somebody changed them; restore them before anything else", ErrSchema, schema, *version)
	}
	return err
}

// isPostgreSQL reports what version() says of PostgreSQL itself and of nothing that
// speaks its protocol or was made from it.
func isPostgreSQL(version string) bool {
	for _, other := range []string{"-YB-", "Greenplum", "Redshift"} {
		if strings.Contains(version, other) {
			return false
		}
	}
	return strings.HasPrefix(version, "PostgreSQL ")
}

func isCode(err error, codes ...string) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return false
	}
	for _, code := range codes {
		if e.Code == code {
			return true
		}
	}
	return false
}

const dataKeyColumns = "k.id, k.environment, k.purpose, k.scope, k.state, k.created, k.changed, k.keks, k.wrappings"

// What is asked of tables to see which they are and that they are there; "@" is the
// schema.
const (
	schemaVersion = "SELECT max(version_id) FILTER (WHERE is_applied AND version_id > 0) FROM @"

	probeFences   = "SELECT key, open FROM @fences WHERE false"
	probeRings    = "SELECT environment, purpose, scope, version FROM @rings WHERE false"
	probeDataKeys = "SELECT " + dataKeyColumns + " FROM @data_keys k WHERE false"
	probeCodes    = "SELECT " + codeColumns + ", key FROM @codes WHERE false"
)

// statements is the SQL of this package for one schema.
type statements struct {
	lockTables bool // the server has LOCK TABLE

	schemaVersion string
	probes        []string

	lockScopes, addScopes, lockFences, lockCards, lockCalls, holders, plainHolders, anyPlain        string
	insertCards, updateCards, insertUnique, insertPlain, deleteUnique, deletePlain                  string
	copyCards, copyUnique, copyPlain, copyCalls                                                     string
	putCalls, insertCalls, sweepCalls, putJob, job, endJob                                          string
	lockSpent, insertSpent, putSpent, copySpent, sweepSpent                                         string
	get, byIndex, ordered, orderedFrom, scan, nextKeys, countKeys                                   string
	openFence, closeFence, exclusiveFences                                                          string
	repositoryByName, repositoryByScope, repositories, insertRepository, setEpoch, updateRepository string
	putEpoch, exclusiveScopes, assignMerchant, merchantScope                                        string
	dataKey, ring, insertRing, raiseRing, putDataKeys                                               string
	lockDataKeys, rewriteDataKeys                                                                   string // of an ephemeral database alone
	captureKey, captureKeys, countCaptureKeys, insertCaptureKey, updateCaptureKey, lockFence        string
}

// ephemeral has the tables of an ephemeral database looked for in place of all.
func (s *statements) ephemeral(schema string) {
	q := pgx.Identifier{schema}.Sanitize() + "."
	s.schemaVersion = strings.ReplaceAll(schemaVersion+EphemeralVersionTable, "@", q)
	s.lockDataKeys = "LOCK TABLE " + q + "data_keys IN ACCESS EXCLUSIVE MODE"
	s.rewriteDataKeys = strings.ReplaceAll("DO $$ DECLARE kept @data_keys[]; BEGIN "+
		"SELECT array_agg(k) INTO kept FROM @data_keys k; TRUNCATE @data_keys; "+
		"INSERT INTO @data_keys SELECT * FROM unnest(kept); END $$", "@", q)
	s.probes = nil
	for _, probe := range []string{probeFences, probeRings, probeDataKeys, probeCodes} {
		s.probes = append(s.probes, strings.ReplaceAll(probe, "@", q))
	}
}

func newStatements(schema string) statements {
	q := pgx.Identifier{schema}.Sanitize() + "."
	s := func(text string) string { return strings.ReplaceAll(text, "@", q) }
	sets := make([]string, 0, 32)
	for column := range strings.SplitSeq(cardColumns, ", ") {
		if column != "scope" && column != "token" {
			sets = append(sets, column+" = w."+column)
		}
	}
	const fromValues = "FROM unnest($1::bytea[], $2::bytea[], $3::bytea[]) AS w(scope, key, value) " +
		"JOIN @%s v ON v.scope = w.scope AND v.key = w.key AND v.value = w.value"
	// Most scopes have values in one of the tables only: the other is not searched.
	const fromOne = "FROM unnest($2::bytea[], $3::bytea[]) AS w(key, value) " +
		"JOIN @%s v ON v.scope = $1 AND v.key = w.key AND v.value = w.value WHERE EXISTS (SELECT FROM @%s WHERE scope = $1)"
	const repository = "SELECT r.scope, r.name, r.config, r.state, s.epoch, r.version FROM @repositories r " +
		"JOIN @scopes s ON s.scope = r.scope "
	const captureKey = "scope, alias, id, created, retires, sealed"
	return statements{
		schemaVersion: s(schemaVersion + VersionTable),
		probes: []string{
			s("SELECT " + cardColumns + " FROM @cards WHERE false"),
			s("SELECT scope, epoch FROM @scopes WHERE false"),
			s("SELECT name, scope, config, state, version FROM @repositories WHERE false"),
			s("SELECT merchant, scope FROM @merchants WHERE false"),
			s("SELECT scope, key, value, token FROM @unique_values WHERE false"),
			s("SELECT scope, key, value, token FROM @plain_values WHERE false"),
			s("SELECT scope, key, token, input, until FROM @calls WHERE false"),
			s("SELECT id, state FROM @jobs WHERE false"),
			s("SELECT scope, digest, until FROM @spent WHERE false"),
			s(probeFences), s(probeRings), s(probeDataKeys), s(probeCodes),
			s("SELECT " + captureKey + ", data_key FROM @capture_keys WHERE false"),
		},

		lockScopes: s("SELECT scope, epoch FROM @scopes WHERE scope = ANY($1::bytea[]) ORDER BY scope FOR SHARE"),
		addScopes:  s("INSERT INTO @scopes SELECT w.scope, 0 FROM unnest($1::bytea[]) AS w(scope) ON CONFLICT DO NOTHING"),
		lockFences: s("SELECT key, open FROM @fences WHERE key = ANY($1::bytea[]) ORDER BY key FOR SHARE"),
		lockCards: s("SELECT c.scope, c.token, c.version, c.status, c.ord, c.index_values " +
			"FROM unnest($1::bytea[], $2::text[]) AS w(scope, token) JOIN @cards c ON c.scope = w.scope AND c.token = w.token " +
			"ORDER BY c.scope, c.token FOR UPDATE OF c"),
		lockCalls: s("SELECT o.scope, o.key, o.token, o.input, o.until, coalesce(c.version, 0), coalesce(c.status, 0) " +
			"FROM unnest($1::bytea[], $2::bytea[]) AS w(scope, key) JOIN @calls o ON o.scope = w.scope AND o.key = w.key " +
			"LEFT JOIN @cards c ON c.scope = o.scope AND c.token = o.token ORDER BY o.scope, o.key FOR UPDATE OF o"),
		holders: s("SELECT v.scope, v.key, v.value, v.token " + fmt.Sprintf(fromValues, "unique_values") +
			" UNION ALL SELECT v.scope, v.key, v.value, v.token " + fmt.Sprintf(fromValues, "plain_values")),
		plainHolders: s("SELECT 1 " + fmt.Sprintf(fromValues, "plain_values") + " LIMIT 1"),
		anyPlain:     s("SELECT 1 FROM @plain_values WHERE scope = ANY($1::bytea[]) LIMIT 1"),

		insertCards: s("INSERT INTO @cards (" + cardColumns + ") SELECT * FROM unnest(" + cardArrays + ") ON CONFLICT DO NOTHING"),
		updateCards: s("UPDATE @cards c SET " + strings.Join(sets, ", ") + " FROM unnest(" + cardArrays + ") AS w(" + cardColumns +
			") WHERE c.scope = w.scope AND c.token = w.token"),
		copyCards:    s("COPY @cards (" + cardColumns + ") FROM STDIN BINARY"),
		copyUnique:   s("COPY @unique_values (scope, key, value, token) FROM STDIN BINARY"),
		copyPlain:    s("COPY @plain_values (scope, key, value, token) FROM STDIN BINARY"),
		copyCalls:    s("COPY @calls (scope, key, token, input, until) FROM STDIN BINARY"),
		insertUnique: s("INSERT INTO @unique_values (scope, key, value, token) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[]) ON CONFLICT DO NOTHING"),
		insertPlain:  s("INSERT INTO @plain_values (scope, key, value, token) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[]) ON CONFLICT DO NOTHING"),
		deleteUnique: s("DELETE FROM @unique_values v USING unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[]) AS w(scope, key, value, token) " +
			"WHERE v.scope = w.scope AND v.key = w.key AND v.value = w.value AND v.token = w.token"),
		deletePlain: s("DELETE FROM @plain_values v USING unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::text[]) AS w(scope, key, value, token) " +
			"WHERE v.scope = w.scope AND v.key = w.key AND v.value = w.value AND v.token = w.token"),
		insertCalls: s("INSERT INTO @calls (scope, key, token, input, until) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::bytea[], $5::bigint[]) ON CONFLICT DO NOTHING"),
		putCalls: s("UPDATE @calls o SET token = w.token, input = w.input, until = w.until " +
			"FROM unnest($1::bytea[], $2::bytea[], $3::text[], $4::bytea[], $5::bigint[]) AS w(scope, key, token, input, until) WHERE o.scope = w.scope AND o.key = w.key"),
		sweepCalls: s("DELETE FROM @calls WHERE (scope, key) IN (SELECT scope, key FROM @calls WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)"),
		putJob:     s("INSERT INTO @jobs (id, state) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET state = excluded.state"),
		job:        s("SELECT state FROM @jobs WHERE id = $1"),
		endJob:     s("DELETE FROM @jobs WHERE id = $1"),

		lockSpent: s("SELECT p.scope, p.digest, p.until FROM unnest($1::bytea[], $2::bytea[]) AS w(scope, digest) " +
			"JOIN @spent p ON p.scope = w.scope AND p.digest = w.digest ORDER BY p.scope, p.digest FOR UPDATE OF p"),
		insertSpent: s("INSERT INTO @spent (scope, digest, until) SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) ON CONFLICT DO NOTHING"),
		putSpent: s("UPDATE @spent p SET until = w.until FROM unnest($1::bytea[], $2::bytea[], $3::bigint[]) AS w(scope, digest, until) " +
			"WHERE p.scope = w.scope AND p.digest = w.digest"),
		copySpent:  s("COPY @spent (scope, digest, until) FROM STDIN BINARY"),
		sweepSpent: s("DELETE FROM @spent WHERE (scope, digest) IN (SELECT scope, digest FROM @spent WHERE until <= $1 ORDER BY until LIMIT $2 FOR UPDATE SKIP LOCKED)"),

		get: s("SELECT " + cardColumns + " FROM @cards WHERE scope = $1 AND token = ANY($2::text[])"),
		byIndex: s("SELECT v.key, v.value, v.token " + fmt.Sprintf(fromOne, "unique_values", "unique_values") +
			" UNION ALL SELECT v.key, v.value, v.token " + fmt.Sprintf(fromOne, "plain_values", "plain_values")),
		ordered:     s("SELECT ord, token FROM @cards WHERE scope = $1 AND ord <> '' AND ord >= $2 ORDER BY ord, token LIMIT $3"),
		orderedFrom: s("SELECT ord, token FROM @cards WHERE scope = $1 AND ord <> '' AND (ord, token) > ($2, $3) ORDER BY ord, token LIMIT $4"),
		scan:        s("SELECT " + cardColumns + " FROM @cards WHERE scope = $1 AND token > $2 ORDER BY token LIMIT $3"),
		nextKeys:    s("SELECT sealed_keys FROM @cards WHERE sealed_keys > $1 ORDER BY sealed_keys LIMIT 1"),
		countKeys:   s("SELECT count(*) FROM @cards WHERE sealed_keys = $1"),

		openFence:       s("INSERT INTO @fences (key, open) VALUES ($1, true) ON CONFLICT DO NOTHING"),
		closeFence:      s("INSERT INTO @fences (key, open) VALUES ($1, false) ON CONFLICT (key) DO UPDATE SET open = false"),
		exclusiveFences: s("LOCK TABLE @fences IN EXCLUSIVE MODE"),

		repositoryByName:  s(repository + "WHERE r.name = $1"),
		repositoryByScope: s(repository + "WHERE r.scope = $1 FOR UPDATE OF r"),
		repositories:      s(repository + "ORDER BY r.name"),
		insertRepository:  s("INSERT INTO @repositories (name, scope, config, state, version) VALUES ($1, $2, $3, $4, 1) ON CONFLICT DO NOTHING"),
		putEpoch:          s("INSERT INTO @scopes (scope, epoch) VALUES ($1, $2) ON CONFLICT (scope) DO UPDATE SET epoch = excluded.epoch"),
		setEpoch:          s("UPDATE @scopes SET epoch = $2 WHERE scope = $1"),
		updateRepository:  s("UPDATE @repositories SET state = $2, version = version + 1 WHERE scope = $1"),
		exclusiveScopes:   s("LOCK TABLE @scopes IN EXCLUSIVE MODE"),
		assignMerchant:    s("INSERT INTO @merchants (merchant, scope) VALUES ($1, $2) ON CONFLICT (merchant) DO UPDATE SET scope = excluded.scope"),
		merchantScope:     s("SELECT scope FROM @merchants WHERE merchant = $1"),

		captureKey:       s("SELECT " + captureKey + " FROM @capture_keys WHERE scope = $1 AND alias = $2 AND id = $3"),
		captureKeys:      s("SELECT " + captureKey + " FROM @capture_keys WHERE scope = $1 AND ($2 = '' OR alias = $2)"),
		countCaptureKeys: s("SELECT count(*) FROM @capture_keys WHERE data_key = $1"),
		insertCaptureKey: s("INSERT INTO @capture_keys (scope, alias, id, created, retires, data_key, sealed) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING"),
		updateCaptureKey: s("UPDATE @capture_keys SET created = $4, retires = $5, data_key = $6, sealed = $7 " +
			"WHERE scope = $1 AND alias = $2 AND id = $3 AND sealed = $8"),
		lockFence: s("SELECT open FROM @fences WHERE key = $1 FOR SHARE"),

		dataKey: s("SELECT " + dataKeyColumns + " FROM @data_keys k WHERE k.id = $1"),
		ring: s("SELECT r.version, " + dataKeyColumns + " FROM @rings r LEFT JOIN @data_keys k ON k.environment = r.environment AND k.purpose = r.purpose AND k.scope = r.scope " +
			"WHERE r.environment = $1 AND r.purpose = $2 AND r.scope = $3 ORDER BY k.created, k.id"),
		insertRing: s("INSERT INTO @rings (environment, purpose, scope, version) VALUES ($1, $2, $3, 1) ON CONFLICT DO NOTHING"),
		raiseRing:  s("UPDATE @rings SET version = version + 1 WHERE environment = $1 AND purpose = $2 AND scope = $3 AND version = $4"),
		putDataKeys: s("INSERT INTO @data_keys AS k (id, environment, purpose, scope, state, created, changed, keks, wrappings) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) " +
			"ON CONFLICT (id) DO UPDATE SET state = excluded.state, created = excluded.created, changed = excluded.changed, keks = excluded.keks, wrappings = excluded.wrappings " +
			"WHERE k.environment = excluded.environment AND k.purpose = excluded.purpose AND k.scope = excluded.scope"),
	}
}
