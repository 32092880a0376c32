package bolt_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/keys/keystest"
	"github.com/cardseal/cardseal/tokenize/capture"
	"github.com/cardseal/cardseal/tokenize/capture/capturetest"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/store/storetest"
)

// file opens one path again and again.
type file struct {
	t    *testing.T
	path string
	db   *bolt.DB
}

func newFile(t *testing.T) *file {
	f := &file{t: t, path: filepath.Join(t.TempDir(), "vault.bolt")}
	t.Cleanup(f.close)
	return f
}

func (f *file) close() {
	f.t.Helper()
	if f.db == nil {
		return
	}
	if err := f.db.Close(); err != nil {
		f.t.Errorf("Close: %v", err)
	}
	f.db = nil
}

func (f *file) open() *bolt.DB {
	f.t.Helper()
	f.close()
	// Not the test's own context: it ends before the cleanup functions run.
	db, err := bolt.Open(context.WithoutCancel(f.t.Context()), f.path, &bolt.Options{Create: true})
	if err != nil {
		f.t.Fatalf("Open: %v", err)
	}
	f.db = db
	return db
}

func openCards(t *testing.T) store.Cards { return newFile(t).open().Cards() }
func openKeys(t *testing.T) keys.Store   { return newFile(t).open().Keys() }

func TestCards(t *testing.T)      { storetest.Run(t, openCards) }
func TestCardsBytes(t *testing.T) { storetest.RunBytes(t, openCards) }
func TestKeys(t *testing.T)       { keystest.RunStore(t, openKeys) }

func TestCaptureKeys(t *testing.T) {
	capturetest.RunKeys(t, func(t *testing.T) capture.KeyStore { return newFile(t).open().CaptureKeys() })
	capturetest.RunFenced(t, func(t *testing.T) (capture.KeyStore, store.Cards) {
		db := newFile(t).open()
		return db.CaptureKeys(), db.Cards()
	})
	capturetest.RunReplays(t, func(t *testing.T) capture.ReplayStore {
		return capture.StoredReplays(newFile(t).open().Cards(), store.ScopeID{1})
	})
	capturetest.RunKeysDurable(t, func(t *testing.T) func() capture.KeyStore {
		f := newFile(t)
		return func() capture.KeyStore { return f.open().CaptureKeys() }
	})
}

func TestCardsDurable(t *testing.T) {
	storetest.RunDurable(t, func(t *testing.T) func() store.Cards {
		f := newFile(t)
		return func() store.Cards { return f.open().Cards() }
	})
}

func TestKeysDurable(t *testing.T) {
	keystest.RunStoreDurable(t, func(t *testing.T) func() keys.Store {
		f := newFile(t)
		return func() keys.Store { return f.open().Keys() }
	})
}

func TestClosed(t *testing.T) {
	db := newFile(t).open()
	for range 2 {
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
	storetest.RunClosed(t, db.Cards())
	storetest.RunCodesClosed(t, db.Codes())
	if _, err := db.CaptureKeys().List(t.Context(), "scope", ""); !errors.Is(err, store.ErrClosed) {
		t.Errorf("List of a closed store: %v", err)
	}
	keystest.RunStoreClosed(t, db.Keys())
}
