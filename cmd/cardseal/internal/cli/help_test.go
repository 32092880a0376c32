package cli

import (
	"bytes"
	"context"
	"encoding/csv"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// number is a published test card.
const number = "4111111111111111"

// world is a home folder of its own and a folder for files.
type world struct {
	t    *testing.T
	home string
	dir  string

	codes bool // were found in the vault's files, by chance or not
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, home: t.TempDir(), dir: t.TempDir()}
	t.Setenv("HOME", w.home)
	t.Setenv("XDG_DATA_HOME", filepath.Join(w.home, "data"))
	t.Setenv("XDG_CONFIG_HOME", filepath.Join(w.home, "config"))
	t.Setenv("CARDSEAL_DIR", "")
	t.Setenv("CARDSEAL_PASSPHRASE_FILE", "")
	return w
}

// vaultDir is where the implicit vault lies.
func (w *world) vaultDir() string { return filepath.Join(w.home, "data", "cardseal", "default") }

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, content string) string {
	w.t.Helper()
	require.NoError(w.t, os.WriteFile(w.path(name), []byte(content), 0o600))
	return w.path(name)
}

func (w *world) read(name string) string {
	w.t.Helper()
	b, err := os.ReadFile(w.path(name))
	require.NoError(w.t, err)
	return string(b)
}

// ran is what a command came to.
type ran struct {
	code     int
	out, err string
}

func (w *world) run(args ...string) ran { return w.runWith(strings.NewReader(""), args...) }

func (w *world) runWith(stdin io.Reader, args ...string) ran {
	w.t.Helper()
	var out, err bytes.Buffer
	code := Run(context.Background(), args, stdin, &out, &err)
	return ran{code, out.String(), err.String()}
}

// ok runs a command that has to be done.
func (w *world) ok(args ...string) ran {
	w.t.Helper()
	r := w.run(args...)
	require.Equal(w.t, ExitDone, r.code, r.err)
	return r
}

// column reads a column of a CSV file with a header.
func (w *world) column(file, name string) []string {
	w.t.Helper()
	f, err := os.Open(file)
	require.NoError(w.t, err)
	defer f.Close()
	all, err := csv.NewReader(f).ReadAll()
	require.NoError(w.t, err)
	require.NotEmpty(w.t, all)
	for i, n := range all[0] {
		if n != name {
			continue
		}
		var values []string
		for _, row := range all[1:] {
			values = append(values, row[i])
		}
		return values
	}
	require.Failf(w.t, "no column", "%s has no column %s", file, name)
	return nil
}

// testCards is the path of the published test cards.
func testCards(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs("../../../../testdata/testcards.csv")
	require.NoError(t, err)
	return path
}

// exists reports whether a file is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// files returns the text of every file below a folder but the store's, which is
// searched as bytes elsewhere.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	require.NoError(t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		all.Write(b)
		return err
	}))
	return all.String()
}
