package vaultdir

import (
	"context"
	"errors"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// DB is an open store.
type DB interface {
	Keys() keys.Store
	Cards() store.Cards
	CaptureKeys() store.CaptureKeys
	Codes() store.Codes // an issuer's
	Close() error
}

// Place is where a store is: a file, or a database.
type Place struct {
	Path   string          // of the file; "" for a database
	Pool   *pgxpool.Config // how to reach the database
	Schema string          // of its tables, "" for the default one
	shown  string
}

// String is the path or the database's URI, which holds no password.
func (p Place) String() string { return p.shown }

// StoreURIError is a database's URI that is not taken.
type StoreURIError struct{ Reason string }

func (e *StoreURIError) Error() string { return "the store's URI " + e.Reason }

// poolSize is how many connections this program has to a database at most: bulk
// work makes one call after the other.
const poolSize = 4

// ParseStore reads the URI of a store: bolt:name in the folder, bolt:///path, or
// postgres://[user@]host[:port]/database with pgx's parameters and schema=NAME.
func ParseStore(dir, uri string) (Place, error) {
	scheme, _, ok := strings.Cut(uri, ":")
	u, err := url.Parse(uri)
	if !ok || err != nil {
		return Place{}, &UnsupportedError{What: "store"}
	}
	switch scheme {
	case "postgres", "postgresql":
		return parseDatabase(u)
	case "bolt":
	default:
		return Place{}, &UnsupportedError{"store", shownScheme(scheme)}
	}
	path := ""
	switch {
	case u.Host != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
	case u.Opaque != "" && !strings.Contains(u.Opaque, "%"):
		path = filepath.Join(dir, filepath.FromSlash(u.Opaque))
	case len(u.Path) > 1:
		path = filepath.FromSlash(u.Path)
	}
	if path == "" {
		return Place{}, &UnsupportedError{What: "store"}
	}
	return Place{Path: path, shown: path}, nil
}

func parseDatabase(u *url.URL) (Place, error) {
	q := u.Query()
	_, password := u.User.Password()
	if password || q.Has("password") || q.Has("sslpassword") {
		// Arguments are in process lists, settings in backups.
		return Place{}, &StoreURIError{"holds a password: use PGPASSWORD, or a file that PGPASSFILE or PGSERVICEFILE names"}
	}
	if u.Opaque != "" {
		return Place{}, &UnsupportedError{What: "store"}
	}
	p := Place{Schema: q.Get("schema"), shown: u.String()}
	q.Del("schema")
	plain := *u
	plain.RawQuery = q.Encode()
	config, err := pgxpool.ParseConfig(plain.String())
	if err != nil {
		return Place{}, &StoreURIError{"or the environment (PGSERVICE, PGSSLROOTCERT and their like) cannot be used: " + reasonOf(err)}
	}
	if !q.Has("pool_max_conns") {
		config.MaxConns = poolSize
	}
	if config.ConnConfig.RuntimeParams["application_name"] == "" {
		config.ConnConfig.RuntimeParams["application_name"] = "cardseal"
	}
	p.Pool = config
	return p, nil
}

// reasonOf is the innermost error: those around it repeat the URI.
func reasonOf(err error) string {
	for next := errors.Unwrap(err); next != nil; next = errors.Unwrap(err) {
		err = next
	}
	return err.Error()
}

// Open opens the store; the options are for a file. The tables of a database are
// never made here.
func (p Place) Open(ctx context.Context, o *bolt.Options) (DB, error) {
	if p.Pool == nil {
		db, err := bolt.Open(ctx, p.Path, o)
		if err != nil {
			return nil, err // and no nil *bolt.DB in an interface
		}
		return db, nil
	}
	pool, err := pgxpool.NewWithConfig(ctx, p.Pool.Copy())
	if err != nil {
		return nil, err
	}
	db, err := postgres.Open(ctx, pool, &postgres.Options{Schema: p.Schema})
	if err != nil {
		pool.Close()
		return nil, err
	}
	return database{db, pool}, nil
}

// database closes its pool with it.
type database struct {
	*postgres.DB
	pool *pgxpool.Pool
}

func (d database) Close() error {
	err := d.DB.Close()
	d.pool.Close()
	return err
}
