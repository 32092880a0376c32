//go:build !race

package blindindex

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAllocatesNothing(t *testing.T) {
	x := testIndex(t)
	var v [Size]byte
	require.Zero(t, testing.AllocsPerRun(200, func() { v = x.Value(number) }))
	// Neither the value nor the buffer given leaves the caller's stack.
	require.Zero(t, testing.AllocsPerRun(200, func() {
		var digits [19]byte
		var dst [Size]byte
		x.Append(dst[:0], append(digits[:0], number...))
		v[0] ^= dst[0]
	}))
}
