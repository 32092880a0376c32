//go:build linux

package forgets

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/cardseal/cardseal/backends/store/postgres/migrate"
	"github.com/cardseal/cardseal/internal/kmstest"
	"github.com/cardseal/cardseal/internal/pgtest"
)

// cluster is a PostgreSQL server of a test's own.
type cluster struct {
	*kmstest.Own
	t       *testing.T
	bin     string // folder of its programs
	archive string // folder of the whole write-ahead log, where it is archived

	resetWAL func() // of a copy: makes it take its files for those of a server that was ended
}

func startCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{Own: kmstest.StartOwn(t, kmstest.Postgres), t: t}
	server, err := os.Readlink("/proc/" + strconv.Itoa(c.PID) + "/exe")
	require.NoError(t, err)
	c.bin = filepath.Dir(server)
	return c
}

// Databases of a cluster.
func (c *cluster) cards() string { return pgtest.Database(c.URL, "cards") }
func (c *cluster) codes() string { return pgtest.Database(c.URL, "codes") }

// newCluster starts a server that archives its log, with both databases. Nothing
// cleans tables up but who asks for it, so that what was deleted lies there longest.
func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := startCluster(t)
	c.archive = t.TempDir()
	pgtest.Exec(t, c.URL,
		"ALTER SYSTEM SET archive_mode = on",
		"ALTER SYSTEM SET archive_command = 'cp %p "+c.archive+"/%f'",
		"ALTER SYSTEM SET wal_level = logical",
		"ALTER SYSTEM SET autovacuum = off")
	c.End()
	c.Start()
	pgtest.Exec(t, c.URL, "CREATE DATABASE cards", "CREATE DATABASE codes")
	config, err := pgx.ParseConfig(c.cards())
	require.NoError(t, err)
	_, err = migrate.Up(t.Context(), config, "")
	require.NoError(t, err)
	c.ephemeral(c.codes())
	return c
}

// ephemeral makes the tables for codes in a database.
func (c *cluster) ephemeral(address string) {
	c.t.Helper()
	config, err := pgx.ParseConfig(address)
	require.NoError(c.t, err)
	_, err = migrate.UpEphemeral(c.t.Context(), config, "")
	require.NoError(c.t, err)
}

// ask asks for one value.
func ask[T any](t *testing.T, url, query string) (answer T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	defer conn.Close(context.WithoutCancel(t.Context()))
	require.NoError(t, conn.QueryRow(t.Context(), query).Scan(&answer))
	return answer
}

// eventually looks again until it is so, or the test's time is up.
func eventually(t *testing.T, is func() bool) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for !is() {
		select {
		case <-look.C:
		case <-t.Context().Done():
			t.Fatal(t.Context().Err())
		}
	}
}

// data is the server's folder.
func (c *cluster) data() string { return ask[string](c.t, c.URL, "SHOW data_directory") }

// tool runs one of the programs that came with the server on a database.
func (c *cluster) tool(address, name string, args ...string) error {
	u, err := url.Parse(address)
	if err != nil {
		return err
	}
	password, _ := u.User.Password()
	cmd := exec.CommandContext(c.t.Context(), filepath.Join(c.bin, name), args...)
	cmd.Env = append(os.Environ(), "PGHOST="+u.Hostname(), "PGPORT="+u.Port(), "PGUSER="+u.User.Username(),
		"PGPASSWORD="+password, "PGDATABASE="+u.Path[1:], "PGSSLMODE=disable")
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, said)
	}
	return nil
}

// analyze does what the server does by itself where autovacuum is on: it looks at values
// of the ephemeral tables for statistics, which are logged.
func (c *cluster) analyze() error { return c.tool(c.codes(), "psql", "-q", "-c", "ANALYZE") }

// backup makes a base backup of the whole server.
func (c *cluster) backup(dir string) error {
	return c.tool(c.URL, "pg_basebackup", "-D", dir, "-X", "stream", "-c", "fast", "--no-sync")
}

// dump makes a logical dump of a database.
func (c *cluster) dump(address, path string) error {
	return c.tool(address, "pg_dump", "--file", path)
}

// restore reads a dump into a new database.
func (c *cluster) restore(path, name string) (address string) {
	c.t.Helper()
	pgtest.Exec(c.t, c.URL, "CREATE DATABASE "+name)
	address = pgtest.Database(c.URL, name)
	require.NoError(c.t, c.tool(address, "psql", "-q", "-v", "ON_ERROR_STOP=1", "-o", os.DevNull, "-f", path))
	return address
}

// archived waits until all of the log that there is has been archived.
func (c *cluster) archived() {
	c.t.Helper()
	last := ask[string](c.t, c.URL, "SELECT pg_walfile_name(pg_switch_wal())")
	eventually(c.t, func() bool {
		_, err := os.Stat(filepath.Join(c.archive, last))
		return err == nil && ask[string](c.t, c.URL, "SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver") >= last
	})
}

// flush writes all pages to files, those of UNLOGGED tables too: what copies a
// database's files does so first, where a checkpoint alone leaves them in memory.
func (c *cluster) flush() {
	c.t.Helper()
	pgtest.Exec(c.t, c.URL, "CREATE DATABASE flushed STRATEGY file_copy", "DROP DATABASE flushed")
}

// copyOf copies the volume. The test does it while the server stands still: it runs, but
// nobody has much to do for it. Where one of its files comes or goes meanwhile, the copy
// is made anew.
func copyOf(t *testing.T, data string) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "volume")
	for try := 1; ; try++ {
		said, err := exec.CommandContext(t.Context(), "cp", "-a", data, dir).CombinedOutput()
		if err == nil {
			return dir
		}
		require.Less(t, try, 10, "%s", said)
		require.NoError(t, os.RemoveAll(dir))
	}
}

// on starts another server on a copy of a server's folder, once prepare has changed it.
func on(t *testing.T, dir string, prepare func(c *cluster, data string)) *cluster {
	t.Helper()
	c := startCluster(t)
	data := c.data()
	info, err := os.Stat(data)
	require.NoError(t, err)
	owner := info.Sys().(*syscall.Stat_t)
	c.resetWAL = func() {
		cmd := exec.CommandContext(t.Context(), filepath.Join(c.bin, "pg_resetwal"), "-f", data)
		if os.Geteuid() == 0 { // as the tool that runs the server does
			cmd.SysProcAttr = &syscall.SysProcAttr{
				Credential: &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}, AmbientCaps: []uintptr{unix.CAP_DAC_OVERRIDE},
			}
		}
		said, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	c.End()
	require.NoError(t, os.RemoveAll(data))
	require.NoError(t, exec.CommandContext(t.Context(), "cp", "-a", dir, data).Run())
	require.NoError(t, os.Remove(filepath.Join(data, "postgresql.auto.conf"))) // it archives nothing
	_ = os.Remove(filepath.Join(data, "postmaster.pid"))
	require.NoError(t, filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil || os.Geteuid() != 0 {
			return err
		}
		return os.Lchown(path, int(owner.Uid), int(owner.Gid))
	}))
	if prepare != nil {
		prepare(c, data)
	}
	c.Start()
	return c
}

// replay makes a copy replay the archived log to its end.
func (c *cluster) replay(archive, data string) {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(filepath.Join(data, "postgresql.auto.conf"),
		[]byte("restore_command = 'cp "+archive+"/%f %p'\n"), 0o644))
	require.NoError(c.t, os.WriteFile(filepath.Join(data, "recovery.signal"), nil, 0o644))
}
