// Package pgtest gives each test a PostgreSQL database of its own, on the server
// that the tool in testservers runs on loopback. Tests skip with one line where it
// does not run; under CI they fail.
package pgtest

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// Server is the URL of the shared server's own database, as its administrator.
func Server(t testing.TB) string { return kmstest.Need(t, kmstest.Postgres).URL }

// New makes an empty database on the shared server and returns its URL. The
// test's end drops it, whoever is still connected.
func New(t testing.TB) string { return create(t, Server(t), "") }

// NewOn makes an empty database on a server.
func NewOn(t testing.TB, server string) string { return create(t, server, "") }

// Template is a database that is prepared once per process and copied for each
// test, which is quicker than preparing each.
type Template struct {
	Prepare func(ctx context.Context, url string) error

	once sync.Once
	name string
	err  error
}

// New makes a copy and returns its URL.
func (p *Template) New(t testing.TB) string {
	t.Helper()
	server := Server(t)
	p.once.Do(func() {
		p.name = name()
		if p.err = admin(server, "CREATE DATABASE "+p.name); p.err == nil {
			p.err = p.Prepare(context.Background(), Database(server, p.name))
		}
	})
	require.NoError(t, p.err, "preparing a database")
	return create(t, server, p.name)
}

// Drop removes the prepared database; TestMain calls it.
func (p *Template) Drop(server string) error {
	if p.name == "" {
		return nil
	}
	return admin(server, "DROP DATABASE "+p.name+" WITH (FORCE)")
}

// Main runs a package's tests and removes what templates made.
func Main(m *testing.M, templates ...*Template) int {
	code := m.Run()
	for _, p := range templates {
		if p.name == "" {
			continue
		}
		server, err := kmstest.Find(kmstest.Postgres)
		if err == nil {
			err = p.Drop(server.URL)
		}
		if err != nil && code == 0 {
			code = 1
		}
	}
	return code
}

// Database is the URL of another database of the same server.
func Database(server, name string) string {
	u, err := url.Parse(server)
	if err != nil {
		return server
	}
	u.Path = "/" + name
	return u.String()
}

// Pool connects to a database until the test's end.
func Pool(t testing.TB, url string, change ...func(*pgxpool.Config)) *pgxpool.Pool {
	t.Helper()
	c, err := pgxpool.ParseConfig(url)
	require.NoError(t, err)
	c.MaxConns = 8
	for _, f := range change {
		f(c)
	}
	pool, err := pgxpool.NewWithConfig(context.Background(), c)
	require.NoError(t, err)
	t.Cleanup(pool.Close)
	return pool
}

// Exec runs statements on a database as the URL's user.
func Exec(t testing.TB, url string, statements ...string) {
	t.Helper()
	require.NoError(t, admin(url, statements...))
}

func create(t testing.TB, server, template string) string {
	t.Helper()
	db := name()
	statement := "CREATE DATABASE " + db
	if template != "" {
		statement += " TEMPLATE " + template
	}
	require.NoError(t, admin(server, statement))
	t.Cleanup(func() {
		if err := admin(server, "DROP DATABASE "+db+" WITH (FORCE)"); err != nil {
			t.Errorf("dropping the test's database: %v", err)
		}
	})
	return Database(server, db)
}

// name is one that needs no quoting.
func name() string { return "t" + strings.ToLower(rand.Text()[:20]) }

func admin(server string, statements ...string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, s := range statements {
		if err := insist(ctx, conn, s); err != nil {
			return err
		}
	}
	return nil
}

// insist runs a statement, and again while a database that it makes a copy of or drops
// is in use: the server waits five seconds for those to go who have left or were sent
// away, which on a slow machine is not always enough.
func insist(ctx context.Context, conn *pgx.Conn, statement string) (err error) {
	for range 6 {
		_, err = conn.Exec(ctx, statement)
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "55006" { // object_in_use
			return err
		}
	}
	return err
}
