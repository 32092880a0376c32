package bolt_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/tokenize/store"
)

var kills = flag.Int("kills", 6, "how often TestKill kills its child")

// TestLocked: a second process is told so, and waits no longer than it must. How long
// that is by the clock TestLockWait says: a slow machine may take more.
func TestLocked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.bolt")
	c := start(t, "hold", path)
	if line, _ := c.line(); line != "open" {
		t.Fatalf("child said %q", line)
	}
	for _, o := range []*bolt.Options{nil, {Create: true}, {ReadOnly: true}} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		_, err := bolt.Open(ctx, path, o)
		cancel()
		if !errors.Is(err, store.ErrLocked) {
			t.Errorf("Open of a file that another process holds: %v, want ErrLocked", err)
		}
	}
	// Who has less time gets its own error, and who has none no wait.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := bolt.Open(ctx, path, nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Open with 50 ms: %v, want DeadlineExceeded", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	cancel()
	if _, err := bolt.Open(ctx, path, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("Open of a caller who left: %v, want Canceled", err)
	}
	if err := errors.Join(c.in.Close(), c.Wait()); err != nil {
		t.Fatal(err)
	}
	db, err := bolt.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatalf("Open after the other process let go: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestLockedInProcess: a file is opened once in one process, too; but any
// number may read it.
func TestLockedInProcess(t *testing.T) {
	f := newFile(t)
	f.open()
	if _, err := bolt.Open(t.Context(), f.path, nil); !errors.Is(err, store.ErrLocked) {
		t.Fatalf("second Open: %v, want ErrLocked", err)
	}
	f.close()
	for range 2 {
		db, err := bolt.Open(t.Context(), f.path, &bolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatalf("Open for reading: %v", err)
		}
		defer db.Close()
	}
}

// TestKill kills a process that writes, again and again, and looks at what it
// left: every batch it was told of is there, and none by half.
func TestKill(t *testing.T) {
	f := newFile(t)
	acknowledged := -1
	// Lives that are too short by chance are followed by more of them.
	for life := 0; life < *kills || acknowledged < *kills && life < 10**kills; life++ {
		c := start(t, "write", f.path)
		// It is killed after some batches, at whatever it does then; what it was
		// told before is in the pipe.
		for left := rand.IntN(40); ; left-- {
			if left == 0 {
				if err := c.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
			line, ok := c.line()
			if !ok {
				break
			}
			if n, err := strconv.Atoi(line); err == nil {
				acknowledged = n
			}
		}
		_ = c.Wait() // it was killed
		last := wholeBatches(t, f.open().Cards())
		if last < acknowledged {
			t.Fatalf("batch %d was acknowledged, the file ends with %d", acknowledged, last)
		}
		f.close()
	}
	if acknowledged < *kills {
		t.Fatalf("only %d batches in %d lives: the test has lost its teeth", acknowledged, *kills)
	}
}

// wholeBatches expects batches 0 to the job's state, whole in each part of the
// file, and returns the number of the last.
func wholeBatches(t *testing.T, c store.Cards) int {
	t.Helper()
	state, err := c.Job(t.Context(), store.JobID{1})
	if errors.Is(err, store.ErrNotFound) {
		return -1
	} else if err != nil {
		t.Fatal(err)
	}
	last, err := strconv.Atoi(string(state))
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]int{}
	for row, err := range c.Scan(t.Context(), store.ScopeID{}, "") {
		if err != nil {
			t.Fatal(err)
		}
		batch, _, _ := strings.Cut(row.Token, "-")
		rows[batch]++
		held, err := c.ByIndex(t.Context(), row.Scope, row.Index)
		if err != nil || len(held) != 1 || len(held[0]) != 1 || held[0][0] != row.Token {
			t.Fatalf("token %s: index %q, %v", row.Token, held, err)
		}
	}
	if len(rows) != last+1 {
		t.Fatalf("%d batches in the file, the job says %d", len(rows), last+1)
	}
	for batch := range last + 1 {
		if n := rows[fmt.Sprint(batch)]; n != batchRows {
			t.Fatalf("batch %d has %d rows, want %d", batch, n, batchRows)
		}
	}
	columns := 0
	for _, err := range c.Ordered(t.Context(), store.ScopeID{}, "o") {
		if err != nil {
			t.Fatal(err)
		}
		columns++
	}
	if want := (last + 1) * batchRows; columns != want {
		t.Fatalf("%d entries in the ordered column, want %d", columns, want)
	}
	return last
}
