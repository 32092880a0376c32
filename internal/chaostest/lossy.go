package chaostest

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cardseal/cardseal/backends/store/postgres"
)

// lossy is a connection that breaks at random when the server has answered. A
// server that ends a connection does so before a commit or after its answer; only
// on the way can the answer to a commit that was carried out be lost.
type lossy struct {
	net.Conn
	each int
}

func (c lossy) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && rand.IntN(c.each) == 0 {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	return n, err
}

// OpenLossy opens a PostgreSQL store with so many connections, all of them lossy:
// each is how many answers one gives, on average, before one is lost. The process's
// end closes them.
func OpenLossy(ctx context.Context, url string, conns, each int) (db *postgres.DB, err error) {
	c, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	c.MaxConns = int32(conns)
	lose(c, each)
	pool, err := pgxpool.NewWithConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	err = Insist(ctx, func() (err error) {
		db, err = postgres.Open(ctx, pool, nil)
		return err
	})
	return db, err
}

func lose(c *pgxpool.Config, each int) {
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return lossy{conn, each}, nil
	}
}
