package vaultdir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/tokenize/audit"
)

// An event that could not be written is an error, of every kind of event: slog
// would say nothing.
func TestRecordFails(t *testing.T) {
	for _, action := range []audit.Action{audit.Save, audit.Reveal} {
		l, err := OpenAuditLog(t.TempDir())
		require.NoError(t, err)
		require.NoError(t, l.Record(t.Context(), []audit.Event{{Action: action}}))
		require.NoError(t, l.file.Close())
		require.Error(t, l.Record(t.Context(), []audit.Event{{Action: action}}))
	}
}

func TestRecordAppends(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		l, err := OpenAuditLog(dir)
		require.NoError(t, err)
		require.NoError(t, l.Record(t.Context(), []audit.Event{{Action: audit.Save}, {Action: audit.Reveal}}))
		require.NoError(t, l.Close())
	}
	content, err := os.ReadFile(filepath.Join(dir, AuditFile))
	require.NoError(t, err)
	require.Equal(t, 4, strings.Count(string(content), "\n"))
}

func TestInside(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink(dir, dir+"-link"))
	t.Cleanup(func() { _ = os.Remove(dir + "-link") })
	for path, want := range map[string]bool{
		filepath.Join(dir, "k"): true, filepath.Join(dir+"-link", "k"): true, filepath.Join(dir, "..", "k"): false,
		filepath.Join(dir, "..k"): true, dir + "x/k": false,
	} {
		require.Equal(t, want, Inside(dir, path), path)
	}
}
