package capture

import (
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A wall clock that was set makes a message fresh for longer or again, and what is
// remembered of it must not end by the other clock alone.
func TestPastByBothClocks(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		wall, monotonic time.Duration // of the end, from now
		past            bool
	}{{-1, -1, true}, {0, 0, false}, {1, 1, false}, {1, -1, false}, {-1, 1, false}} {
		until := now.Add(c.wall)
		*(*int64)(unsafe.Add(unsafe.Pointer(&until), 8)) += int64(c.monotonic - c.wall) // see time.Time
		require.Equal(t, c.monotonic, until.Sub(now), "the monotonic clock's")
		require.Equal(t, c.wall, until.Round(0).Sub(now.Round(0)), "the wall clock's")
		require.Equal(t, c.past, past(until, now), "%v", c)
	}
}
