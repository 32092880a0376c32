package generate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestUUIDs(t *testing.T) {
	const n = 20_000
	counts := map[int][]int{}
	for range n {
		u := string(AppendUUID(nil))
		require.True(t, IsUUID(u), u)
		require.True(t, Valid(UUID, u))
		require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, u)
		for i := range len(u) {
			if counts[i] == nil {
				counts[i] = make([]int, 16)
			}
			if d := strings.IndexByte("0123456789abcdef", u[i]); d >= 0 {
				counts[i][d]++
			}
		}
	}
	for i, c := range counts {
		switch i {
		case 8, 13, 18, 23, 14:
		case 19:
			requireUniform(t, c[8:12], "variant")
		default:
			requireUniform(t, c, "digit")
		}
	}
	require.Equal(t, "kept", string(AppendUUID([]byte("kept"))[:4]))
}

func TestIsUUID(t *testing.T) {
	const good = "919108f7-52d1-4320-9bac-f847db4148a8"
	require.True(t, IsUUID(good))
	for _, bad := range []string{
		"", good[:35], good + "0", strings.ToUpper(good), "{" + good[1:35] + "}",
		strings.ReplaceAll(good, "-", "0"),
		"919108f7-52d1-1320-9bac-f847db4148a8", // version 1
		"919108f7-52d1-4320-cbac-f847db4148a8", // another variant
		"00000000-0000-0000-0000-000000000000",
	} {
		require.False(t, IsUUID(bad), bad)
	}
	// Each position takes its characters and no others.
	for i := range len(good) {
		for c := range 256 {
			b := []byte(good)
			b[i] = byte(c)
			allowed := "0123456789abcdef"
			switch i {
			case 8, 13, 18, 23:
				allowed = "-"
			case 14:
				allowed = "4"
			case 19:
				allowed = "89ab"
			}
			require.Equal(t, strings.IndexByte(allowed, byte(c)) >= 0, IsUUID(string(b)), "character %d at %d", c, i)
		}
	}
}
