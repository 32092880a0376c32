//go:build !race

package ff1

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAllocatesNothing(t *testing.T) {
	k := newTestKey(t, testKey)
	c, err := k.Cipher(36)
	require.NoError(t, err)
	numbers, tweaks, dst := []byte("012345678901234567890123456789012345"), make([]byte, 60), make([]byte, 0, 64)
	plain, out := make([]uint16, 19), make([]uint16, 0, 19)
	for name, f := range map[string]func(){
		"encrypt": func() { out, err = c.Encrypt(out[:0], plain, tweaks) },
		"decrypt": func() { out, err = c.Decrypt(out[:0], plain, tweaks) },
	} {
		require.Zero(t, testing.AllocsPerRun(200, f), name)
		require.NoError(t, err, name)
	}
	for _, length := range []int{6, 12, 18, 36} {
		count := len(numbers) / length
		d := newDigits(t, length, make([]byte, 20), len(tweaks)/count)
		for name, f := range map[string]func(){
			"encrypt":       func() { dst, err = d.Encrypt(dst[:0], numbers[:length], tweaks[:d.TweakSize()]) },
			"decrypt":       func() { dst, err = d.Decrypt(dst[:0], numbers[:length], tweaks[:d.TweakSize()]) },
			"encrypt batch": func() { dst, err = d.EncryptBatch(dst[:0], numbers, tweaks) },
			"decrypt batch": func() { dst, err = d.DecryptBatch(dst[:0], numbers, tweaks) },
			// What the caller has on its stack stays there.
			"from the stack": func() {
				var number, tweak [60]byte
				copy(number[:], numbers)
				_, err = d.Encrypt(number[:0], number[:length], tweak[:d.TweakSize()])
			},
		} {
			require.Zero(t, testing.AllocsPerRun(200, f), "%s %d", name, length)
			require.NoError(t, err, name)
		}
	}
}
