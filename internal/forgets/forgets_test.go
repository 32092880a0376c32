//go:build linux

package forgets

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/internal/chaostest"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/code"
)

// Nothing that is durable has a code: neither base backup, dump nor log of the cards'
// database, nor what is made of them, though the ephemeral database is on the same
// server.
func TestPostgres(t *testing.T) {
	t.Parallel()
	kekPath := keyFile(t)
	c := newCluster(t)
	s := openShop(t, openPostgres(t, c.cards()), openEphemeral(t, c.codes()), kekPath, short.TTL)
	dir := t.TempDir()
	backup, early, late := filepath.Join(dir, "backup"), filepath.Join(dir, "early.sql"), filepath.Join(dir, "late.sql")
	before := c.ephemeralFiles()
	s.during(func() error { return errors.Join(c.analyze(), c.backup(backup), c.dump(c.cards(), early), c.analyze()) })
	c.unlogged(backup, before)
	s.forgotten()
	require.NoError(t, c.dump(c.cards(), late))
	c.archived()
	c.flush()

	look := s.search()
	disk := copyOf(t, c.data())
	require.NotContains(t, kinds(look.in(t, disk)), "an epoch's wrapped key")
	// Of the ephemeral database's own files more is not asked: see TestLeaks.
	require.NoError(t, os.RemoveAll(filepath.Join(disk, filepath.Dir(before["codes"]))))
	log := filepath.Join(filepath.Dir(c.data()), "log.txt")
	for _, path := range []string{backup, early, late, c.archive, disk, log} {
		require.Empty(t, look.in(t, path), "what was to be forgotten")
		if path == log {
			continue
		}
		found := s.kept.in(t, path)
		for _, what := range []string{"an issuer's code's sealed record", "an issuer's key's wrapped key"} {
			has(t, found, what)
		}
	}

	// Whoever has it all, and the KEK, asks for the codes.
	restored := on(t, backup, func(other *cluster, data string) { other.replay(c.archive, data) })
	eventually(t, func() bool { return !ask[bool](t, restored.URL, "SELECT pg_is_in_recovery()") })
	for _, url := range []string{restored.cards(), restored.restore(early, "early"), restored.restore(late, "late")} {
		v := openVault(t, openPostgres(t, url), kekPath)
		v.opens(v.shop, s.tokens)
		bank := serve(t, v.issued, code.Issuer{})
		for i, token := range s.issued {
			got, err := bank.Retrieve(t.Context(), me, own, token)
			require.NoError(t, err)
			require.True(t, got.Equal(number(t, i)))
		}
		nothing(t, rob(t, v.shop, openEphemeral(t, restored.codes()), kekPath, s.tokens))
	}
}

// ephemeralFiles are where the files of the ephemeral tables and their indexes are, in the
// server's folder.
func (c *cluster) ephemeralFiles() map[string]string {
	c.t.Helper()
	list := ask[map[string]string](c.t, c.codes(), "SELECT json_object_agg(relname, pg_relation_filepath(oid)) FROM pg_class "+
		"WHERE relpersistence = 'u' AND relkind IN ('r', 'i')")
	require.Contains(c.t, list, "codes")
	require.Contains(c.t, list, "data_keys")
	return list
}

// unlogged demands that a base backup has none of the ephemeral tables' rows, only
// empty files to begin anew with. A table of which a key was destroyed since before has
// other files than it had; what is in those that the backup met is for the search.
func (c *cluster) unlogged(backup string, before map[string]string) {
	c.t.Helper()
	data, after := c.data(), c.ephemeralFiles()
	require.Equal(c.t, before["codes"], after["codes"])
	for name, path := range before {
		if path != after[name] {
			continue
		}
		if strings.HasPrefix(name, "codes") { // data_keys' may go at any time
			require.FileExists(c.t, filepath.Join(data, path), name)
		}
		inBackup, err := filepath.Glob(filepath.Join(backup, path) + "*")
		require.NoError(c.t, err)
		require.Equal(c.t, []string{filepath.Join(backup, path+"_init")}, inBackup, name)
	}
}

// A durable file beside codes in memory has none of them.
func TestBolt(t *testing.T) {
	t.Parallel()
	kekPath := keyFile(t)
	path := filepath.Join(t.TempDir(), "vault.bolt")
	d, err := bolt.Open(t.Context(), path, &bolt.Options{Create: true})
	require.NoError(t, err)
	defer d.Close()
	e, err := memory.NewCodes(nil)
	require.NoError(t, err)
	defer e.Close()
	s := openShop(t, d, e, kekPath, short.TTL)
	pan, err := chaostest.Number(cards)
	require.NoError(t, err)
	// Cards come and go, so that pages of the file are written over and over.
	s.during(func() error {
		for range 200 {
			d, err := s.vault.shop.Save(t.Context(), tokenize.SaveRequest{Caller: me, Card: card.Details{Number: pan}})
			if err == nil {
				err = s.vault.shop.Delete(t.Context(), me, d.Token)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	s.forgotten()
	look := s.search()
	require.Empty(t, look.in(t, path))
	has(t, s.kept.in(t, path), "an issuer's code's sealed record")
	has(t, s.kept.in(t, path), "an issuer's key's wrapped key")
}
