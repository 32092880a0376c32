//go:build linux

package forgets

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/tokenize/code"
)

// What the promise leaves out leaks: copies of the ephemeral database, made while its
// epoch lived, give the codes to whoever has the KEK, when the database itself has
// forgotten them.
func TestLeaks(t *testing.T) {
	t.Parallel()
	kekPath := keyFile(t)
	c := newCluster(t)
	// A slow machine has time for the copies: codes go when they are authorized.
	s := openShop(t, openPostgres(t, c.cards()), openEphemeral(t, c.codes()), kekPath, time.Hour)
	s.last = time.Now()
	s.put()

	dump := filepath.Join(t.TempDir(), "codes.sql")
	require.NoError(t, c.dump(c.codes(), dump))
	c.flush()
	running := copyOf(t, c.data())
	data := c.data()
	s.away.Store(true)
	c.End()
	stopped := copyOf(t, data)
	c.Start()
	eventually(t, func() bool {
		_, err := s.tr.Sweep(t.Context())
		return err == nil
	})
	s.away.Store(false)
	got, err := s.codes.RetrieveBatch(t.Context(), me, refs(s.tokens))
	require.NoError(t, err)
	gives(t, got) // a restart is no crash

	s.authorized(s.tokens)
	s.gone(s.tokens)
	s.forgotten()
	nothing(t, robVolume(t, c, kekPath, s.tokens))

	look := s.search()
	for _, path := range []string{dump, running, stopped} {
		found := look.in(t, path)
		has(t, found, "a code's sealed record")
		has(t, found, "an epoch's wrapped key")
	}
	t.Run("dump", func(t *testing.T) {
		other := startCluster(t)
		url := other.restore(dump, "codes")
		gives(t, rob(t, openVault(t, openPostgres(t, c.cards()), kekPath).shop, openEphemeral(t, url), kekPath, s.tokens))
	})
	t.Run("volume of a server that was stopped", func(t *testing.T) {
		gives(t, robVolume(t, on(t, stopped, nil), kekPath, s.tokens))
	})
	t.Run("volume of a server that ran", func(t *testing.T) {
		gives(t, robVolume(t, on(t, running, func(c *cluster, _ string) { c.resetWAL() }), kekPath, s.tokens))
	})
	// The server itself forgets, for this is what a crash looks like.
	t.Run("volume of a server that ran, recovered", func(t *testing.T) {
		nothing(t, robVolume(t, on(t, running, nil), kekPath, s.tokens))
	})
	// Codes that were erased may lie in their table's file until somebody writes it anew,
	// but no key of theirs. That there was an epoch stays known.
	t.Run("volume after the end", func(t *testing.T) {
		c.flush()
		left := kinds(look.in(t, copyOf(t, c.data())))
		t.Logf("left: %v", left)
		require.NotContains(t, left, "an epoch's wrapped key")
		pgtest.Exec(t, c.codes(), "VACUUM FULL")
		c.flush()
		require.Equal(t, []string{"an epoch's ID"}, kinds(look.in(t, copyOf(t, c.data()))))
	})
}

// robVolume asks a server on a copy of the whole volume, cards and codes.
func robVolume(t *testing.T, c *cluster, kekPath string, tokens []string) []code.Retrieved {
	t.Helper()
	return rob(t, openVault(t, openPostgres(t, c.cards()), kekPath).shop, openEphemeral(t, c.codes()), kekPath, tokens)
}
