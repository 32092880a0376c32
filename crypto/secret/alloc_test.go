//go:build !race

package secret

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRevealAllocatesNothing(t *testing.T) {
	s := Random(32)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		var buf [32]byte
		clear(s.Reveal(buf[:0]))
	}))
}
