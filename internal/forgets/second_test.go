//go:build linux

package forgets

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/postgres"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
)

// With keys split over two databases a copy of the one that has the codes gives nothing
// to whoever has the KEK, not if he takes the halves for keys, nor with the second as it
// is in the end. Copies of both give the codes, which is what is said to leak.
func TestSecond(t *testing.T) {
	t.Parallel()
	kekPath := keyFile(t)
	c := newCluster(t)
	pgtest.Exec(t, c.URL, "CREATE DATABASE second")
	second := pgtest.Database(c.URL, "second")
	c.ephemeral(second)
	s := openShop(t, openPostgres(t, c.cards()), openEphemeral(t, c.codes()), kekPath, time.Hour, openEphemeral(t, second))
	s.last = time.Now()
	s.put()
	dir := t.TempDir()
	first, other := filepath.Join(dir, "codes.sql"), filepath.Join(dir, "second.sql")
	require.NoError(t, c.dump(c.codes(), first))
	require.NoError(t, c.dump(second, other))
	s.authorized(s.tokens)
	s.forgotten()
	require.Zero(t, ask[int](t, second, "SELECT count(*) FROM cardseal.data_keys WHERE wrappings <> '{}'"), "halves are left")

	shop := openVault(t, openPostgres(t, c.cards()), kekPath).shop
	copied := func(path, name string) *postgres.Ephemeral { return openEphemeral(t, c.restore(path, name)) }
	gives(t, rob(t, shop, copied(first, "together"), kekPath, s.tokens, copied(other, "other")))
	alone := c.restore(first, "alone")
	pgtest.Exec(t, alone, "UPDATE cardseal.data_keys SET keks = ARRAY(SELECT substr(k, 9) FROM unnest(keks) k), "+ // half of, ID of the mask
		"wrappings = ARRAY(SELECT substr(w, 17) FROM unnest(wrappings) w)")
	for i, got := range rob(t, shop, openEphemeral(t, alone), kekPath, s.tokens) {
		require.NotNil(t, got.Err, "code %d was given out", i)
		require.ErrorIs(t, got.Err, keys.ErrCorrupt)
	}
	for i, got := range rob(t, shop, copied(first, "late"), kekPath, s.tokens, openEphemeral(t, second)) {
		require.NotNil(t, got.Err, "code %d was given out", i)
		require.ErrorIs(t, got.Err, keys.ErrDisabled)
	}
}
