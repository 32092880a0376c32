package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/tokenize/store"
)

// smallFS names a folder on a small file system that TestFull may fill, such as
// a tmpfs of some MiB; without it two other limits stand for the disk's.
const smallFS = "CARDSEAL_SMALL_FS"

// fillUp writes batches until there is no room, and returns how many there are.
func fillUp(ctx context.Context, c store.Cards, from int) (batches int, err error) {
	if err := c.OpenFence(ctx, killKey); err != nil {
		return from, err
	}
	for batch := from; ; batch++ {
		var w []store.Write
		for i := range batchRows {
			w = append(w, store.Write{Row: killRow(batch, i)})
		}
		_, err := c.Write(ctx, w, &store.Job{ID: store.JobID{1}, State: fmt.Append(nil, batch)})
		if err != nil {
			return batch, err
		}
	}
}

// holdsOut tries that a full store keeps what it held, says so again, and goes
// on once there is room.
func holdsOut(t *testing.T, path string, full *bolt.Options, makeRoom func(), roomy *bolt.Options) {
	t.Helper()
	open := func(o *bolt.Options) *bolt.DB {
		t.Helper()
		db, err := bolt.Open(t.Context(), path, o)
		if err != nil {
			t.Fatalf("Open: %v", err)
		}
		return db
	}
	db := open(full)
	batches := 0
	for range 3 {
		var err error
		batches, err = fillUp(t.Context(), db.Cards(), batches)
		if !errors.Is(err, store.ErrFull) {
			t.Fatalf("after %d batches: %v, want ErrFull", batches, err)
		}
		if last := wholeBatches(t, db.Cards()); last != batches-1 {
			t.Fatalf("%d batches were written, the last one there is %d", batches, last)
		}
	}
	if batches < 5 {
		t.Fatalf("full after %d batches: the test has lost its teeth", batches)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open(&bolt.Options{MaxSize: full.MaxSize})
	if last := wholeBatches(t, db.Cards()); last != batches-1 {
		t.Fatalf("%d batches were written, the last one after opening is %d", batches, last)
	}
	if roomy != nil {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		db = open(roomy)
	}
	defer db.Close()
	makeRoom()
	out, err := db.Cards().Write(t.Context(), []store.Write{{Row: killRow(1000, 1)}}, nil)
	if err != nil || out[0].Result != store.Written {
		t.Fatalf("write when there is room: %v, %v", out, err)
	}
}

func TestFull(t *testing.T) {
	t.Run("MaxSize", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "vault.bolt")
		holdsOut(t, path, &bolt.Options{Create: true, MaxSize: 512 << 10}, func() {}, &bolt.Options{MaxSize: 8 << 20})
		info, err := os.Stat(path)
		if err != nil || info.Size() > 8<<20 {
			t.Fatalf("the file has %d bytes (%v), the limit is 8 MiB", info.Size(), err)
		}
	})
	if folder := os.Getenv(smallFS); folder != "" {
		t.Run("FileSystem", func(t *testing.T) {
			// What takes the room away, and gives it back.
			ballast := filepath.Join(folder, "ballast")
			if err := os.WriteFile(ballast, make([]byte, 1<<20), 0o600); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(folder, "vault.bolt")
			t.Cleanup(func() { os.Remove(path) })
			holdsOut(t, path, &bolt.Options{Create: true}, func() {
				if err := os.Remove(ballast); err != nil {
					t.Fatal(err)
				}
			}, nil)
		})
	}
}
