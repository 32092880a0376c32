package local

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/fips140"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

const fipsChild = "CARDSEAL_TEST_FIPS_CHILD"

// TestUnderFIPSOnly runs this package's tests, argon2id with them, in a process
// that serves nothing but what FIPS 140-3 approves.
func TestUnderFIPSOnly(t *testing.T) {
	if os.Getenv(fipsChild) != "" || fips140.Enforced() {
		require.True(t, fips140.Enforced())
		block, err := aes.NewCipher(make([]byte, 32))
		require.NoError(t, err)
		_, err = cipher.NewGCM(block) // a nonce of the caller's is refused
		require.Error(t, err)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^Test", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), fipsChild+"=1", "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
