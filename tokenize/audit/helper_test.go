package audit_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// world is a key manager and a folder for logs.
type world struct {
	testing.TB
	kek   *keystest.KEK
	keys  *keys.Manager
	scope *keys.Scope
	dir   string
}

func newWorld(t testing.TB) *world {
	w := &world{TB: t, kek: keystest.NewKEK("test"), dir: t.TempDir()}
	db := memory.New()
	t.Cleanup(func() { _ = db.Close() })
	var err error
	w.keys, err = keys.Open(t.Context(), db.Keys(), w.kek, nil)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.keys.Close() })
	w.scope, err = w.keys.Scope(keys.Audit, "")
	require.NoError(t, err)
	return w
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) open(name string, o *audit.FileOptions) *audit.File {
	w.Helper()
	f, err := audit.OpenFile(w.path(name), w.scope, o)
	require.NoError(w, err)
	w.Cleanup(func() { _ = f.Close() })
	return f
}

func (w *world) record(f *audit.File, events ...audit.Event) {
	w.Helper()
	require.NoError(w, f.Record(w.Context(), events))
}

// head is where a file stands that has entries.
func (w *world) head(f *audit.File) audit.Anchor {
	w.Helper()
	a, ok := f.Head()
	require.True(w, ok)
	return a
}

func (w *world) read(name string) []byte {
	w.Helper()
	b, err := os.ReadFile(w.path(name))
	require.NoError(w, err)
	return b
}

func (w *world) write(name string, content []byte) {
	w.Helper()
	require.NoError(w, os.WriteFile(w.path(name), content, 0o600))
}

func (w *world) verify(content []byte, o *audit.VerifyOptions) (audit.Report, error) {
	return audit.Verify(w.Context(), bytes.NewReader(content), w.scope, o)
}

// whole verifies a log that must be.
func (w *world) whole(name string) audit.Report {
	w.Helper()
	r, err := w.verify(w.read(name), nil)
	require.NoError(w, err)
	return r
}

// wrong expects a log to be refused, at a line and for a reason.
func (w *world) wrong(content []byte, o *audit.VerifyOptions, line int64, kind error) {
	w.Helper()
	_, err := w.verify(content, o)
	var e *audit.ChainError
	require.ErrorAs(w, err, &e)
	require.Equal(w, kind, e.Kind)
	require.Equal(w, line, e.Line)
	require.ErrorIs(w, err, kind)
}

// log is a short log: a beginning and three events.
func (w *world) log() (content []byte, head audit.Anchor) {
	w.Helper()
	f := w.open("log", nil)
	w.record(f, full, full)
	w.record(f, audit.Event{Time: full.Time, Action: "suspend", Outcome: audit.Done})
	require.NoError(w, f.Close())
	return w.read("log"), w.head(f)
}

func lines(content []byte) [][]byte {
	return bytes.SplitAfter(bytes.TrimSuffix(content, []byte("\n")), []byte("\n"))
}

func join(parts ...[]byte) []byte {
	all := bytes.Join(parts, nil)
	if len(all) > 0 && all[len(all)-1] != '\n' {
		all = append(all, '\n')
	}
	return all
}

// noKeys is keys that are not to be had.
type noKeys struct {
	audit.Keys
	err error
}

func (f noKeys) ActiveKey(context.Context) (keys.KeyID, error) { return keys.KeyID{}, f.err }
func (f noKeys) Subkey(context.Context, keys.KeyID, string) ([]byte, error) {
	return nil, f.err
}
