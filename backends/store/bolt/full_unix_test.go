//go:build linux || darwin

package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/tokenize/store"
)

func init() { roles["limited"] = limited }

// limited fills the file up to the system's limit of the process, which stops
// bolt where it makes the file longer; then lifts the limit and goes on.
func limited(ctx context.Context, path string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	db, err := bolt.Open(ctx, path, &bolt.Options{Create: true})
	if err != nil {
		return err
	}
	lower := limit
	lower.Cur = 300 << 10
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &lower); err != nil {
		return err
	}
	batches := 0
	for range 3 {
		if batches, err = fillUp(ctx, db.Cards(), batches); !errors.Is(err, store.ErrFull) {
			return fmt.Errorf("after %d batches: %w, want ErrFull", batches, err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	out, err := db.Cards().Write(ctx, []store.Write{{Row: killRow(batches, 0)}}, nil)
	if err != nil || out[0].Result != store.Written {
		return fmt.Errorf("write when there is room: %v, %w", out, err)
	}
	// Take it away again: the parent counts whole batches.
	_, err = db.Cards().Write(ctx, []store.Write{{Row: store.Row{Token: killRow(batches, 0).Token, Version: 1, Status: store.Deleted}}}, nil)
	fmt.Println(batches)
	return errors.Join(err, db.Close())
}

func TestFullLimit(t *testing.T) {
	f := &file{t: t, path: filepath.Join(t.TempDir(), "vault.bolt")}
	t.Cleanup(f.close)
	c := start(t, "limited", f.path)
	line, _ := c.line()
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	db := f.open()
	rows := 0
	for row, err := range db.Cards().Scan(t.Context(), store.ScopeID{}, "") {
		if err != nil {
			t.Fatal(err)
		}
		if row.Status == store.Active {
			rows++
		}
	}
	if want := fmt.Sprint(rows / batchRows); rows < 5*batchRows || rows%batchRows != 0 || line != want {
		t.Fatalf("%d rows in the file, the child wrote %q batches", rows, line)
	}
}
