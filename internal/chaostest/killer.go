package chaostest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pgtest"
)

// The killer looks up at random moments, at most this far apart. It ends a
// connection when there were some calls since the last one, killEach at most, or
// none for so long. Were it to go by time alone, a slow machine would come to
// nothing but making connections.
const (
	lookEach = 30 * time.Millisecond
	killEach = 12
	killIdle = time.Second
)

// victim ends one connection to a database: any of them or, mostly and where there
// is one, one that is committing, whose client then cannot know.
const victim = `
SELECT pg_terminate_backend(pid) FROM (
	SELECT pid FROM pg_stat_activity
	WHERE datname = $1 AND pid <> pg_backend_pid() AND backend_type = 'client backend'
	ORDER BY ($2 AND state = 'active' AND query = 'COMMIT') DESC, random() LIMIT 1
) AS one`

// Killer ends connections to a database at random moments until its stop is
// called, which returns how many. Calls says how many calls were begun by now.
func Killer(t *testing.T, address string, calls func() uint64) (stop func() int) {
	t.Helper()
	u, err := url.Parse(address)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := pgx.Connect(ctx, pgtest.Server(t))
	require.NoError(t, err)
	killed, done := 0, make(chan error, 1)
	go func() {
		last, at := time.Now(), uint64(0)
		for {
			next := time.NewTimer(rand.N(lookEach))
			select {
			case <-ctx.Done():
				next.Stop()
				done <- nil
				return
			case <-next.C:
			}
			now := calls()
			if now < at && time.Since(last) < killIdle {
				continue
			}
			last, at = time.Now(), now+1+rand.Uint64N(killEach)
			var ended bool
			err := conn.QueryRow(ctx, victim, strings.TrimPrefix(u.Path, "/"), killed%4 != 0).Scan(&ended)
			switch {
			case err == nil && ended:
				killed++
			case err != nil && !errors.Is(err, pgx.ErrNoRows) && ctx.Err() == nil:
				done <- err
				return
			}
		}
	}()
	return func() int {
		cancel()
		require.NoError(t, <-done)
		_ = conn.Close(context.WithoutCancel(ctx))
		return killed
	}
}
