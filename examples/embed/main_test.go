package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The second run finds what the first one saved.
func TestRun(t *testing.T) {
	keyFolder, vaultFolder := t.TempDir(), t.TempDir()
	var first, second bytes.Buffer
	require.NoError(t, run(t.Context(), &first, keyFolder, vaultFolder))
	require.NoError(t, run(t.Context(), &second, keyFolder, vaultFolder))
	require.Regexp(t, `^created 9\d{15} 411111xxxxxx1111\n$`, first.String())
	require.Equal(t, "existing"+strings.TrimPrefix(first.String(), "created"), second.String())

	file, err := os.ReadFile(filepath.Join(vaultFolder, "vault.db"))
	require.NoError(t, err)
	require.False(t, bytes.Contains(file, []byte("4111111111111111")))
	require.Error(t, run(t.Context(), &second, keyFolder, filepath.Join(vaultFolder, "missing")))
	require.Error(t, run(t.Context(), &second, t.TempDir(), vaultFolder), "another key")
}
