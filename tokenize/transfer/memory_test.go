package transfer_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/backends/kek/local"
	"github.com/cardseal/cardseal/tokenize/transfer"
)

// heap keeps how much memory was in use after each batch.
type heap struct{ used []uint64 }

func (h *heap) progress(transfer.Report) {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.used = append(h.used, m.HeapAlloc)
}

// constant demands that the last quarter needs hardly more than the first, and
// returns the most there was.
func (h *heap) constant(t *testing.T) uint64 {
	t.Helper()
	most := func(of []uint64) (n uint64) {
		for _, u := range of {
			n = max(n, u)
		}
		return n
	}
	n := len(h.used)
	require.Greater(t, n, 10)
	require.Less(t, most(h.used[3*n/4:]), most(h.used[:n/4+1])+2<<20)
	return most(h.used)
}

// Memory does not grow with what is moved: 6000 records, or what CARDSEAL_RECORDS
// says.
func TestConstantMemory(t *testing.T) {
	n := 6000
	if text := os.Getenv("CARDSEAL_RECORDS"); text != "" {
		var err error
		n, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	dir := t.TempDir()
	require.NoError(t, local.CreateKeyFile(filepath.Join(dir, "kek")))
	r, done, err := openVault(t.Context(), dir, "MADE")
	require.NoError(t, err)
	defer done()
	f, in, out, told := newForeign(), &heap{}, &heap{}, 0
	report, err := transfer.Import(t.Context(), r, me, "job", endless{f, n}, &transfer.ImportOptions{
		Opener: f, NewTokens: true, Batch: 300, OnProgress: in.progress,
		Results: func(_ context.Context, batch []transfer.Result) error { told += len(batch); return nil },
	})
	require.NoError(t, err)
	require.Equal(t, transfer.Report{Records: int64(n), Done: true}, report)
	require.Equal(t, n, told)
	s := &counts{}
	report, err = transfer.Export(t.Context(), r, me, "job", s, &transfer.ExportOptions{Reason: "test", Batch: 300, OnProgress: out.progress})
	require.NoError(t, err)
	require.Equal(t, transfer.Report{Records: int64(n), Done: true}, report)
	require.Equal(t, n, s.n)
	t.Logf("%d records: heap at most %d KiB in the import, %d KiB in the export", n, in.constant(t)>>10, out.constant(t)>>10)
}

type counts struct{ n int }

func (c *counts) Write(_ context.Context, batch []transfer.Exported) error {
	c.n += len(batch)
	return nil
}
