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
	"time"

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
	// As much time as this process has, whatever the machine has to do beside: of what is
	// left the child has nine tenths, so that it says itself what hung.
	timeout := "-test.timeout=0"
	if end, ok := t.Deadline(); ok {
		timeout = "-test.timeout=" + (time.Until(end) * 9 / 10).String()
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^Test", timeout)
	cmd.Env = append(os.Environ(), child+"=1", "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
