package keys_test

import (
	"crypto/fips140"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// bubble runs a test on synctest's clock. In FIPS mode the Go module seeds its
// generators from the jitter of time measurements, and panics where time stands
// still: there the bubble's randomness comes from package testing. All tests
// outside of bubbles use the module's own.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		cryptotest.SetGlobalRandom(t, uint64(time.Now().UnixNano()))
	}
	synctest.Test(t, f)
}

// sleep lets the bubble's time pass, and whoever it wakes come to rest.
func sleep(t testing.TB, d string) {
	t.Helper()
	long, err := time.ParseDuration(d)
	require.NoError(t, err)
	time.Sleep(long)
	synctest.Wait()
}
