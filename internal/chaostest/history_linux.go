package chaostest

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Clock is nanoseconds that all processes of the machine count from one moment
// (CLOCK_MONOTONIC). time.Now has such a reading inside, but does not give it out.
func Clock() int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		panic(err)
	}
	return ts.Nano()
}

// History is a file of one goroutine's calls, one a line.
type History[T any] struct {
	f *os.File
	b *bufio.Writer
	e *json.Encoder
}

// NewHistory makes the file, which [ReadHistories] finds by its ending .jsonl.
func NewHistory[T any](path string) (*History[T], error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	b := bufio.NewWriter(f)
	return &History[T]{f, b, json.NewEncoder(b)}, nil
}

// Add writes a call down.
func (h *History[T]) Add(call *T) error { return h.e.Encode(call) }

// Close writes what is still in memory and closes the file.
func (h *History[T]) Close() error { return errors.Join(h.b.Flush(), h.f.Close()) }

// ReadHistories reads what all goroutines wrote into a folder.
func ReadHistories[T any](t *testing.T, dir string) (all []T) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		f, err := os.Open(path)
		require.NoError(t, err)
		for d := json.NewDecoder(bufio.NewReader(f)); ; {
			var call T
			err := d.Decode(&call)
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			all = append(all, call)
		}
		require.NoError(t, f.Close())
	}
	return all
}

// Lines shows calls in the order of what at says of them, as a history has them.
func Lines[T any](calls []*T, at func(*T) int64) string {
	calls = slices.SortedFunc(slices.Values(calls), func(a, b *T) int { return cmp.Compare(at(a), at(b)) })
	var s strings.Builder
	for _, c := range calls {
		line, _ := json.Marshal(c)
		s.Write(append(line, '\n'))
	}
	return s.String()
}
