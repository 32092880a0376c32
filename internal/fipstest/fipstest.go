// Package fipstest runs a package's tests again where nothing is served but what
// FIPS 140-3 approves.
package fipstest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

const child = "CARDSEAL_TEST_FIPS_CHILD"

// Run runs the calling package's tests in a process under GODEBUG=fips140=only.
// Called there, it sees that the mode is enforced, and that enforcement bites.
func Run(t *testing.T) {
	if os.Getenv(child) != "" || fips140.Enforced() {
		require.True(t, fips140.Enforced())
		block, err := aes.NewCipher(make([]byte, 32))
		require.NoError(t, err)
		_, err = cipher.NewGCM(block) // a nonce of the caller's is refused
		require.Error(t, err)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^Test", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
