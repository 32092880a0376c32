//go:build linux

package chaos

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"

	"github.com/jackc/pgx/v5/pgxpool"
)

// loseEach is how many answers a connection gives, on average, before one is lost.
const loseEach = 400

// lossy is a connection that breaks at random when the server has answered. A
// server that ends a connection does so before a commit or after its answer; only
// on the way can the answer to a commit that was carried out be lost.
type lossy struct{ net.Conn }

func (c lossy) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err == nil && rand.IntN(loseEach) == 0 {
		return 0, errors.Join(io.ErrUnexpectedEOF, c.Close())
	}
	return n, err
}

// lose makes a pool's connections lossy.
func lose(c *pgxpool.Config) {
	dial := c.ConnConfig.DialFunc
	c.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return lossy{conn}, nil
	}
}
