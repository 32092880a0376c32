package blindindex

import (
	"crypto/fips140"
	"crypto/hmac"
	"crypto/md5"
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

const fipsChild = "CARDSEAL_TEST_FIPS_CHILD"

// TestUnderFIPSOnly runs this package's tests where only what FIPS 140-3 approves
// is served.
func TestUnderFIPSOnly(t *testing.T) {
	if os.Getenv(fipsChild) != "" || fips140.Enforced() {
		// It is enforced, and enforcement bites: HMAC over MD5 is refused.
		require.True(t, fips140.Enforced())
		require.Panics(t, func() { hmac.New(md5.New, testKey) })
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^Test", "-test.timeout=5m")
	cmd.Env = append(os.Environ(), fipsChild+"=1", "GODEBUG=fips140=only")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
}
