//go:build !race

package keys_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// million seals are what design's budget of KMS calls speaks of.
const million = 1_000_000

// The buffers that calls borrow hold no plaintext between calls. Under the race
// detector a pool gives out others than it got.
func TestBuffersAreCleared(t *testing.T) {
	for mode, w := range worlds() {
		s := pan(t, w.manager(t, nil))
		record := seal(t, s)
		dst, a := make([]byte, 0, 600), additional()
		for range 20 {
			_, err := s.Seal(t.Context(), dst, []byte(message), a)
			sealed := keys.WorkBuffer(s)
			require.NoError(t, err)
			_, err = s.Open(t.Context(), dst, record, a)
			opened := keys.WorkBuffer(s)
			require.NoError(t, err)
			for _, b := range [][]byte{sealed, opened} {
				require.False(t, bytes.Contains(b, []byte(message)), "%s: plaintext is left", mode)
			}
		}
	}
}
