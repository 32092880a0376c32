package progress

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Nothing is shown anywhere but on a terminal.
func TestQuiet(t *testing.T) {
	var out bytes.Buffer
	file, err := os.CreateTemp(t.TempDir(), "")
	require.NoError(t, err)
	defer file.Close()
	for _, b := range []*Bar{New(&out, 100), New(file, -1), {}} {
		b.Update(10, 50)
		b.Close()
	}
	info, err := file.Stat()
	require.NoError(t, err)
	require.Zero(t, int64(out.Len())+info.Size())
}
