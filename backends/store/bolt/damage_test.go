package bolt_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

const pageSize = 4096

// sample is a store's file with some of everything in it.
func sample(t *testing.T) []byte {
	t.Helper()
	f := newFile(t)
	db := f.open()
	c := db.Cards()
	if err := c.OpenFence(t.Context(), killKey); err != nil {
		t.Fatal(err)
	}
	for batch := range 6 {
		var w []store.Write
		for i := range 60 {
			w = append(w, store.Write{Row: killRow(batch, i), Once: &store.Once{Key: [32]byte{byte(batch), byte(i)}, Until: 1}})
		}
		if _, err := c.Write(t.Context(), w, &store.Job{ID: store.JobID{1}, State: []byte("1")}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 60 {
		putCode(t, db.Codes(), killKey, fmt.Sprint(i))
	}
	ring := keys.RingID{Environment: "test", Purpose: keys.PAN}
	if err := db.Keys().CompareAndSwap(t.Context(), ring, 0, []keys.Record{{ID: keys.KeyID{1}, Ring: ring, State: keys.Active}}); err != nil {
		t.Fatal(err)
	}
	f.close()
	content, err := os.ReadFile(f.path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// use calls on everything that a file holds. It panics where a caller would see
// a panic, and fails the test for an error that is no ErrCorrupt. What looks as a later
// version would have written it is damage all the same: by chance it may.
func use(t *testing.T, path, what string) (failures int) {
	t.Helper()
	check := func(call string, err error) {
		if err == nil {
			return
		}
		failures++
		if !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrNewer) {
			t.Errorf("%s: %s: %v, want ErrCorrupt", what, call, err)
		}
	}
	db, err := bolt.Open(t.Context(), path, nil)
	check("Open", err)
	if err != nil {
		return failures
	}
	defer db.Close()
	c := db.Cards()
	for _, err := range c.Scan(t.Context(), store.ScopeID{}, "") {
		check("Scan", err)
	}
	for _, err := range c.Ordered(t.Context(), store.ScopeID{}, "") {
		check("Ordered", err)
	}
	_, err = c.CountByKey(t.Context(), killKey)
	check("CountByKey", err)
	for batch := range 6 {
		row := killRow(batch, 30)
		_, err = c.Get(t.Context(), store.ScopeID{}, []string{row.Token})
		check("Get", err)
		_, err = c.ByIndex(t.Context(), store.ScopeID{}, row.Index)
		check("ByIndex", err)
	}
	_, _, err = db.Keys().List(t.Context(), keys.RingID{Environment: "test", Purpose: keys.PAN})
	check("List", err)
	codes := db.Codes()
	for _, err := range codes.ScanCodes(t.Context(), store.ScopeID{}) {
		check("ScanCodes", err)
	}
	_, err = codes.CountCodes(t.Context(), killKey)
	check("CountCodes", err)
	_, err = codes.Attempt(t.Context(), store.CodeID{Owner: "30"}, 1, store.TryLimits{Tries: 1, Guesses: 1}, 0)
	if !errors.Is(err, store.ErrNotFound) { // as a page that is out of order has it
		check("Attempt", err)
	}
	_, err = codes.SweepCodes(t.Context(), 1, 1)
	check("SweepCodes", err)
	check("EraseToken", codes.EraseToken(t.Context(), store.ScopeID{}, "t"))
	w := []store.Write{{Row: killRow(100, 1), Unique: true, Once: &store.Once{Key: [32]byte{9}, Now: 1 << 60, Until: 1<<60 + 1}}}
	_, err = c.Write(t.Context(), w, nil)
	check("Write", err)
	check("OpenFence", c.OpenFence(t.Context(), envelope.KeyID{7}))
	return failures
}

// TestDamagedPages spoils one page after the other in several ways. Nothing may
// panic or hang, and most of it must be noticed.
func TestDamagedPages(t *testing.T) {
	content := sample(t)
	path := filepath.Join(t.TempDir(), "vault.bolt")
	random := rand.NewChaCha8([32]byte{1})
	spoil := map[string]func(page []byte){
		"zeros": func(p []byte) { clear(p) },
		"ones":  func(p []byte) { copy(p, bytes.Repeat([]byte{0xff}, len(p))) },
		"noise": func(p []byte) { random.Read(p) },
		// What still names itself and its kind gets past bolt's first look.
		"body":     func(p []byte) { random.Read(p[16:]) },
		"count":    func(p []byte) { p[10], p[11] = 0xff, 0xff },
		"elements": func(p []byte) { random.Read(p[16:48]) },
	}
	noticed := 0
	for name, spoil := range spoil {
		for at := 0; at+pageSize <= len(content); at += pageSize {
			damaged := bytes.Clone(content)
			spoil(damaged[at : at+pageSize])
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if use(t, path, fmt.Sprintf("%s in page %d", name, at/pageSize)) > 0 {
				noticed++
			}
		}
	}
	if noticed < 50 {
		t.Fatalf("only %d damaged files were noticed: the test has lost its teeth", noticed)
	}
}

// TestTruncated: a file that was cut is refused when it is opened.
func TestTruncated(t *testing.T) {
	content := sample(t)
	path := filepath.Join(t.TempDir(), "vault.bolt")
	for _, size := range []int{1, 15, 16, 80, 100, 4095, 4096, 4200, 8191, 8192, 8193, 12288, 16384, 40000, len(content) / 2} {
		if err := os.WriteFile(path, content[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		for _, o := range []*bolt.Options{nil, {Create: true}, {ReadOnly: true}} {
			if _, err := bolt.Open(t.Context(), path, o); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("Open of %d bytes of %d: %v, want ErrCorrupt", size, len(content), err)
			}
		}
	}
}

func TestNotAStore(t *testing.T) {
	folder := t.TempDir()
	for name, content := range map[string][]byte{
		"text":   bytes.Repeat([]byte("a text and no store\n"), 1000),
		"zeros":  make([]byte, 100_000),
		"sqlite": append([]byte("SQLite format 3\x00"), make([]byte, 8192)...),
	} {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := bolt.Open(t.Context(), path, &bolt.Options{Create: true}); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("Open of %s: %v, want ErrCorrupt", name, err)
		}
		after, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(after, content) {
			t.Errorf("Open changed %s (%v)", name, err)
		}
	}
	if _, err := bolt.Open(t.Context(), folder, nil); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("Open of a folder: %v, want ErrCorrupt", err)
	}
}
