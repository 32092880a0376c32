package bolt_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

func TestOpenMissing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.bolt")
	for _, o := range []*bolt.Options{nil, {ReadOnly: true}} {
		if _, err := bolt.Open(t.Context(), path, o); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Open of no file: %v, want fs.ErrNotExist", err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open made a file it was not asked for: %v", err)
	}
	if _, err := bolt.Open(t.Context(), filepath.Join(path, "x"), &bolt.Options{Create: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Open in no folder: %v, want fs.ErrNotExist", err)
	}
}

func TestOpenOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "vault.bolt")
	for _, o := range []*bolt.Options{{MaxSize: -1}, {Create: true, ReadOnly: true}} {
		var invalid *store.InvalidError
		if _, err := bolt.Open(t.Context(), path, o); !errors.As(err, &invalid) || !strings.HasPrefix(invalid.Field, "Options.") {
			t.Errorf("Open with %+v: %v, want an InvalidError", *o, err)
		}
	}
}

func TestCreateMode(t *testing.T) {
	f := newFile(t)
	f.open()
	info, err := os.Stat(f.path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode() != 0o600 {
		t.Fatalf("the file's mode is %v, want 0600", info.Mode())
	}
}

// TestCreateInterrupted: a file that was made and left empty, as a crash leaves
// it, is made anew by who may make it, and by no one else.
func TestCreateInterrupted(t *testing.T) {
	f := newFile(t)
	if err := os.WriteFile(f.path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(t.Context(), f.path, nil); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Open of an empty file: %v, want ErrCorrupt", err)
	}
	f.open()
	f.close()
	// bolt's own pages written, but not ours yet.
	if err := os.Remove(f.path); err != nil {
		t.Fatal(err)
	}
	b, err := bbolt.Open(f.path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(t.Context(), f.path, nil); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Open of a file without buckets: %v, want ErrCorrupt", err)
	}
	f.open()
}

func TestReadOnlyFile(t *testing.T) {
	f := newFile(t)
	c := f.open().Cards()
	if err := c.AssignMerchant(t.Context(), "m", store.ScopeID{1}); err != nil {
		t.Fatal(err)
	}
	f.close()
	if err := os.Chmod(f.path, 0o400); err != nil {
		t.Fatal(err)
	}
	if _, err := bolt.Open(t.Context(), f.path, nil); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("Open of a read-only file: %v, want ErrReadOnly", err)
	}
	db, err := bolt.Open(t.Context(), f.path, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if scope, err := db.Cards().MerchantScope(t.Context(), "m"); err != nil || scope != (store.ScopeID{1}) {
		t.Fatalf("MerchantScope = %x, %v", scope, err)
	}
	if err := db.Cards().AssignMerchant(t.Context(), "m", store.ScopeID{2}); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("write to a store opened for reading: %v, want ErrReadOnly", err)
	}
	if err := db.Keys().CompareAndSwap(t.Context(), keys.RingID{}, 0, nil); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("swap in a store opened for reading: %v, want ErrReadOnly", err)
	}
}

// change rewrites a closed store's file through bolt itself.
func (f *file) change(change func(tx *bbolt.Tx) error) {
	f.t.Helper()
	f.close()
	b, err := bbolt.Open(f.path, 0o600, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if err := errors.Join(b.Update(change), b.Close()); err != nil {
		f.t.Fatal(err)
	}
}

func TestOtherFormats(t *testing.T) {
	format := func(value ...byte) func(tx *bbolt.Tx) error {
		return func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Put([]byte("format"), value) }
	}
	cases := []struct {
		name   string
		change func(tx *bbolt.Tx) error
		want   error
	}{
		{"newer", format(0, 0, 0, 2), store.ErrNewer},
		{"much newer", format(255, 0, 0, 0), store.ErrNewer},
		{"zero", format(0, 0, 0, 0), store.ErrCorrupt},
		{"short", format(1), store.ErrCorrupt},
		{"none", func(tx *bbolt.Tx) error { return tx.Bucket([]byte("meta")).Delete([]byte("format")) }, store.ErrCorrupt},
		{"no meta", func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("meta")) }, store.ErrCorrupt},
		{"no index of codes", func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("codetokens")) }, store.ErrCorrupt},
		{"no cards", func(tx *bbolt.Tx) error { return tx.DeleteBucket([]byte("cards")) }, store.ErrCorrupt},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			f := newFile(t)
			putCode(t, f.open().Codes(), envelope.KeyID{1}, "a")
			f.change(c.change)
			for _, o := range []*bolt.Options{nil, {Create: true}, {ReadOnly: true}} {
				if _, err := bolt.Open(t.Context(), f.path, o); !errors.Is(err, c.want) {
					t.Errorf("Open: %v, want %v", err, c.want)
				}
			}
		})
	}
}

// TestNewerValues: a value of a later format is not taken for damage.
func TestNewerValues(t *testing.T) {
	f := newFile(t)
	putCode(t, f.open().Codes(), envelope.KeyID{1}, "a")
	scope := make([]byte, 16)
	f.change(func(tx *bbolt.Tx) error {
		return errors.Join(
			tx.Bucket([]byte("cards")).Put(append(scope, 't'), []byte{3, 1, 1}),
			tx.Bucket([]byte("keys")).Put(append(scope[:15:15], 9), []byte{2, 1, 1}),
			tx.Bucket([]byte("merchants")).Put([]byte("m"), []byte{2}),
			tx.Bucket([]byte("repositories")).Put([]byte("r"), append([]byte{3, 1}, scope...)),
			tx.Bucket([]byte("codes")).Put(make([]byte, 49), []byte{2, 1}),
		)
	})
	c := f.open().Cards()
	if _, err := c.Get(t.Context(), store.ScopeID{}, []string{"t"}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Get: %v, want ErrNewer", err)
	}
	if _, err := c.Write(t.Context(), []store.Write{{Row: store.Row{Token: "t", Version: 1, Status: store.Active}}}, nil); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Write: %v, want ErrNewer", err)
	}
	if _, err := c.MerchantScope(t.Context(), "m"); !errors.Is(err, store.ErrNewer) {
		t.Errorf("MerchantScope: %v, want ErrNewer", err)
	}
	if _, err := c.Repositories(t.Context()); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Repositories: %v, want ErrNewer", err)
	}
	if _, err := f.db.Codes().Code(t.Context(), store.CodeID{}, 0); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Code: %v, want ErrNewer", err)
	}
	if _, err := f.db.Keys().Get(t.Context(), keys.KeyID{15: 9}); !errors.Is(err, store.ErrNewer) {
		t.Errorf("Get of a key: %v, want ErrNewer", err)
	}
}
