package vaultdir

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/store/memory"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/audit"
)

// The log goes on where it ended, and its head is found without keys.
func TestAuditLog(t *testing.T) {
	dir := t.TempDir()
	db := memory.New()
	defer db.Close()
	m, err := keys.Open(t.Context(), db.Keys(), keystest.NewKEK("test"), nil)
	require.NoError(t, err)
	defer m.Close()
	_, _, err = AuditHead(dir)
	require.ErrorIs(t, err, audit.ErrEmpty)
	for range 2 {
		l, err := OpenAuditLog(dir, m)
		require.NoError(t, err)
		require.NoError(t, l.Record(t.Context(), []audit.Event{{Action: audit.Save}, {Action: audit.Reveal}}))
		head, ok := l.Head()
		require.True(t, ok)
		got, size, err := AuditHead(dir)
		require.NoError(t, err)
		require.Equal(t, head, got)
		info, err := os.Stat(filepath.Join(dir, AuditFile))
		require.NoError(t, err)
		require.Equal(t, info.Size(), size)
		require.NoError(t, l.Close())
	}
	ring, err := AuditRing(m)
	require.NoError(t, err)
	f, err := os.Open(filepath.Join(dir, AuditFile))
	require.NoError(t, err)
	defer f.Close()
	r, err := audit.Verify(t.Context(), f, ring, nil)
	require.NoError(t, err)
	require.Equal(t, uint64(4), r.Events)
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
