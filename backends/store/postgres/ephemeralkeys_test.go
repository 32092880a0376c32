package postgres_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/internal/pgtest"
	"github.com/cardseal/cardseal/keys"
)

// A destroyed key's wrapped form is in no file of the server's any more, and the other
// keys of the table are as they were.
func TestDestroyedKeyLeavesTheFiles(t *testing.T) {
	url := own(t).URL
	e := openEphemeral(t, url)
	ring := keys.RingID{Environment: "e", Purpose: keys.CVC}
	at := time.Unix(1_700_000_000, 0).UTC()
	record := func(s keys.State) keys.Record {
		wrapped := make([]byte, 200) // random: no page is compressed, no other has it
		rand.Read(wrapped)
		return keys.Record{ID: envelope.NewKeyID(), Ring: ring, State: s, Created: at, Changed: at, Wrapped: []keys.Wrapping{{KEK: "k", Bytes: wrapped}}}
	}
	swap := func(version uint64, r ...keys.Record) {
		t.Helper()
		require.NoError(t, e.Keys().CompareAndSwap(t.Context(), ring, version, r))
	}
	gone, kept := record(keys.Active), record(keys.Active)
	secret := gone.Wrapped[0].Bytes
	swap(0, gone)
	require.NotZero(t, inFiles(t, url, secret), "a search that finds it while it is there")
	gone.State = keys.Retired
	swap(1, gone, kept)
	pgtest.Exec(t, url, "ANALYZE") // as the server does by itself, into a logged table
	gone.State, gone.Wrapped = keys.Destroyed, nil
	require.NotZero(t, inFiles(t, url, secret))
	swap(2, gone)
	require.Zero(t, inFiles(t, url, secret))
	require.NotZero(t, inFiles(t, url, kept.Wrapped[0].Bytes))

	list, version, err := e.Keys().List(t.Context(), ring)
	require.NoError(t, err)
	require.Equal(t, uint64(3), version)
	require.ElementsMatch(t, []keys.Record{gone, kept}, list)
	require.NoError(t, e.CheckEphemeral(t.Context()))
	require.ErrorIs(t, e.Keys().CompareAndSwap(t.Context(), ring, 2, []keys.Record{gone}), keys.ErrConflict)
	got, err := e.Keys().Get(t.Context(), kept.ID)
	require.NoError(t, err)
	require.Equal(t, kept, got, "a refused change loses nothing")
}

// While the table of keys is made anew nobody finds it empty, whatever isolation the
// database's transactions have by default.
func TestKeysAreThereWhileTheTableIsMadeAnew(t *testing.T) {
	url := forgetful.New(t)
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	pgtest.Exec(t, url, "ALTER DATABASE "+config.Database+" SET default_transaction_isolation = serializable")
	e := openEphemeral(t, url, asService)
	ring := keys.RingID{Environment: "e", Purpose: keys.CVC}
	at := time.Unix(1_700_000_000, 0).UTC()
	record := func() keys.Record {
		return keys.Record{ID: envelope.NewKeyID(), Ring: ring, State: keys.Retired, Created: at, Changed: at, Wrapped: []keys.Wrapping{{KEK: "k", Bytes: []byte{1}}}}
	}
	kept := record()
	require.NoError(t, e.Keys().CompareAndSwap(t.Context(), ring, 0, []keys.Record{kept}))
	var changes sync.WaitGroup
	done := make(chan struct{})
	changes.Go(func() {
		defer close(done)
		for v := uint64(1); v <= 200; v += 2 {
			r := record()
			ok := assert.NoError(t, e.Keys().CompareAndSwap(t.Context(), ring, v, []keys.Record{r}))
			r.State, r.Wrapped = keys.Destroyed, nil
			if !ok || !assert.NoError(t, e.Keys().CompareAndSwap(t.Context(), ring, v+1, []keys.Record{r})) {
				return
			}
		}
	})
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		list, _, err := e.Keys().List(t.Context(), ring)
		require.NoError(t, err)
		require.NotEmpty(t, list)
		got, err := e.Keys().Get(t.Context(), kept.ID)
		require.NoError(t, err)
		require.Equal(t, kept, got)
	}
	changes.Wait()
}

// inFiles is how many of the server's files, all that it has in memory written to them,
// hold some bytes.
func inFiles(t *testing.T, url string, what []byte) (n int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(t.Context())
	var dir string
	require.NoError(t, conn.QueryRow(t.Context(), "SHOW data_directory").Scan(&dir))
	// A plain checkpoint leaves UNLOGGED tables out; one before files are copied does not.
	pgtest.Exec(t, url, "CREATE DATABASE flushed STRATEGY FILE_COPY", "DROP DATABASE flushed")
	require.NoError(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var content []byte
		if err == nil && d.Type().IsRegular() {
			content, err = os.ReadFile(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the server runs: some of its files come and go
		}
		if bytes.Contains(content, what) {
			n++
		}
		return err
	}))
	return n
}
