package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/cardseal/cardseal/tokenize/store"
)

func openTest(t *testing.T) *DB {
	t.Helper()
	db, err := Open(t.Context(), filepath.Join(t.TempDir(), "vault.bolt"), &Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func active(token string) store.Row { return store.Row{Token: token, Status: store.Active} }

// TestCommitFails: what is said of a failed commit depends on whether its meta
// page is in the file.
func TestCommitFails(t *testing.T) {
	db := openTest(t)
	c := cards{db}
	if _, err := c.Write(t.Context(), []store.Write{{Row: active("a")}}, nil); err != nil {
		t.Fatal(err)
	}
	var last int
	if err := db.view(t.Context(), func(tx *bbolt.Tx) error { last = tx.ID(); return nil }); err != nil {
		t.Fatal(err)
	}
	// The next transaction did not get there: nothing was written.
	full := &fs.PathError{Op: "write", Path: "vault.bolt", Err: syscall.ENOSPC}
	if err := db.failed(last+1, full); !errors.Is(err, store.ErrFull) || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Fatalf("a write that found no room: %v, want ErrFull", err)
	}
	if _, err := c.Write(t.Context(), []store.Write{{Row: active("b")}}, nil); err != nil {
		t.Fatalf("write after one that found no room: %v", err)
	}
	// This one is in the file, though its fsync failed.
	if err := db.failed(last+1, os.NewSyscallError("fdatasync", syscall.EIO)); !errors.Is(err, store.ErrOutcomeUnknown) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("a commit whose fsync failed: %v, want ErrOutcomeUnknown", err)
	}
	if _, err := c.Write(t.Context(), []store.Write{{Row: active("c")}}, nil); !errors.Is(err, store.ErrUnavailable) {
		t.Fatalf("write after an unknown commit: %v, want ErrUnavailable", err)
	}
	if rows, err := c.Get(t.Context(), store.ScopeID{}, []string{"a", "b", "c"}); err != nil || rows[0].Version+rows[1].Version != 2 || rows[2].Version != 0 {
		t.Fatalf("Get after an unknown commit: %v", err)
	}
}

func TestTranslate(t *testing.T) {
	for _, c := range []struct{ err, want error }{
		{syscall.ENOSPC, store.ErrFull},
		{&fs.PathError{Err: syscall.EDQUOT}, store.ErrFull},
		{fmt.Errorf("file resize error: %s", syscall.EFBIG), store.ErrFull},
		{fmt.Errorf("file sync error: %s", &fs.PathError{Op: "sync", Path: "x", Err: syscall.ENOSPC}), store.ErrFull},
		{berrors.ErrMaxSizeReached, store.ErrFull},
		{&fs.PathError{Err: syscall.EROFS}, store.ErrReadOnly},
		{berrors.ErrDatabaseReadOnly, store.ErrReadOnly},
		{berrors.ErrDatabaseNotOpen, store.ErrClosed},
		{berrors.ErrTimeout, store.ErrLocked},
		{berrors.ErrVersionMismatch, store.ErrCorrupt},
		{fmt.Errorf("mmap allocate error: %s", syscall.ENOMEM), store.ErrUnavailable},
		{context.Canceled, context.Canceled},
		{store.ErrNotFound, store.ErrNotFound},
	} {
		if got := translate(c.err); !errors.Is(got, c.want) {
			t.Errorf("translate(%v) = %v, want %v", c.err, got, c.want)
		}
	}
	for _, err := range []error{nil, store.ErrFull, store.ErrNotFound, context.DeadlineExceeded} {
		if got := translate(err); got != err {
			t.Errorf("translate(%v) = %v, want it as it is", err, got)
		}
	}
}

// TestSweep: what is remembered stays in proportion, and nothing is forgotten
// before its time and a day.
func TestSweep(t *testing.T) {
	db := openTest(t)
	c := cards{db}
	n := 0
	batch := func(now int64) {
		t.Helper()
		var w []store.Write
		for range 100 {
			n++
			w = append(w, store.Write{
				Row:  active(fmt.Sprint(n)),
				Once: &store.Once{Key: [32]byte{byte(n * 7), byte(n >> 8), byte(n)}, Now: now, Until: now + 1000},
			})
		}
		out, err := c.Write(t.Context(), w, nil)
		if err != nil || out[0].Result != store.Written {
			t.Fatalf("Write: %v, %v", out, err)
		}
	}
	remembered := func() (keys int) {
		t.Helper()
		err := db.view(t.Context(), func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketOnce).ForEach(func(_, _ []byte) error { keys++; return nil })
		})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	for range 20 {
		batch(0)
	}
	for range 20 {
		batch(1000 + sweepMargin - 1)
	}
	if got := remembered(); got != 4000 {
		t.Fatalf("%d calls remembered before their day is over, want 4000", got)
	}
	for range 40 {
		batch(3 * sweepMargin)
	}
	if got := remembered(); got < 4000 || got > 5000 {
		t.Fatalf("%d calls remembered, want the last 4000 and few more", got)
	}
}

// TestSweepSpent: as TestSweep, of spent messages, with and without a write.
func TestSweepSpent(t *testing.T) {
	db := openTest(t)
	c := cards{db}
	n := 0
	batch := func(now int64) {
		t.Helper()
		var w []store.Write
		var alone []store.Spend
		for range 50 {
			for range 2 {
				n++
				alone = append(alone, store.Spend{Digest: [32]byte{byte(n * 7), byte(n >> 8), byte(n)}, Now: now, Until: now + 1000})
			}
			last := len(alone) - 1
			w = append(w, store.Write{Row: active(fmt.Sprint(n)), Spend: &store.Spend{}})
			*w[len(w)-1].Spend, alone = alone[last], alone[:last]
		}
		out, err := c.Write(t.Context(), w, nil)
		if err != nil || out[0].Result != store.Written {
			t.Fatalf("Write: %v, %v", out, err)
		}
		before, err := c.Spend(t.Context(), store.ScopeID{}, alone)
		if err != nil || before[0] {
			t.Fatalf("Spend: %v, %v", before, err)
		}
	}
	remembered := func() (keys int) {
		t.Helper()
		err := db.view(t.Context(), func(tx *bbolt.Tx) error {
			return tx.Bucket(bucketSpent).ForEach(func(_, _ []byte) error { keys++; return nil })
		})
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	for range 20 {
		batch(0)
	}
	for range 20 {
		batch(1000 + spentMargin - 1)
	}
	if got := remembered(); got != 4000 {
		t.Fatalf("%d messages remembered before their hour is over, want 4000", got)
	}
	for range 40 {
		batch(3 * spentMargin)
	}
	if got := remembered(); got < 4000 || got > 5000 {
		t.Fatalf("%d messages remembered, want the last 4000 and few more", got)
	}
}

// TestPanicIsCorrupt: a panic of bolt is an error of the call; of a write, of
// all later writes too.
func TestPanicIsCorrupt(t *testing.T) {
	db := openTest(t)
	broken := func(*bbolt.Tx) error { panic("page 7 holds 4111") }
	err := db.view(t.Context(), broken)
	if !errors.Is(err, store.ErrCorrupt) || len(err.Error()) > 80 {
		t.Fatalf("view: %v, want ErrCorrupt and no word of the panic", err)
	}
	fine := func(*bbolt.Tx) error { return nil }
	if err := db.update(t.Context(), fine); err != nil {
		t.Fatalf("update after a read that failed: %v", err)
	}
	if err := db.update(t.Context(), broken); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("update: %v, want ErrCorrupt", err)
	}
	if err := db.update(t.Context(), fine); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("update after one that panicked: %v, want ErrCorrupt", err)
	}
	if err := db.view(t.Context(), fine); err != nil {
		t.Fatalf("view after an update that panicked: %v", err)
	}
}

// TestLockWait: who waits two seconds for a file learns that another process holds it.
func TestLockWait(t *testing.T) {
	if lockWait > 1500*time.Millisecond || lockRetry > lockWait/10 {
		t.Fatalf("%v of waiting, a try each %v", lockWait, lockRetry)
	}
}

// TestWriterWaits: who waits for the writer's turn is called off by its context.
func TestWriterWaits(t *testing.T) {
	db := openTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := db.update(t.Context(), func(*bbolt.Tx) error {
		done := make(chan error)
		go func() { done <- db.update(ctx, func(*bbolt.Tx) error { return nil }) }()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("a waiting write: %v, want Canceled", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestOpenFenceLoses: a fence that is closed between OpenFence's look and its
// write stays closed.
func TestOpenFenceLoses(t *testing.T) {
	db := openTest(t)
	key := []byte("0123456789abcdef")
	done := make(chan error, 1)
	err := db.update(t.Context(), func(tx *bbolt.Tx) error {
		go func() { done <- cards{db}.OpenFence(t.Context(), [16]byte(key)) }()
		for range 5000 { // time for its look, which finds no fence
			runtime.Gosched()
		}
		return tx.Bucket(bucketFences).Put(key, fenceClosed)
	})
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	err = db.view(t.Context(), func(tx *bbolt.Tx) error {
		if !bytes.Equal(tx.Bucket(bucketFences).Get(key), fenceClosed) {
			t.Error("OpenFence opened a closed fence")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
