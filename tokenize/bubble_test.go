package tokenize_test

import (
	"crypto/fips140"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"
)

// bubble runs a test on synctest's clock. In FIPS mode the Go module seeds its
// generators from the jitter of time measurements, and panics where time stands
// still: there the bubble's randomness comes from package testing.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		cryptotest.SetGlobalRandom(t, uint64(time.Now().UnixNano()))
	}
	synctest.Test(t, f)
}
