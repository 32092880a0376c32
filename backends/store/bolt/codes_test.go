package bolt_test

import (
	"errors"
	"os"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/backends/store/bolt"
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
	"github.com/cardseal/cardseal/tokenize/store/storetest"
)

func TestCodes(t *testing.T) {
	storetest.RunCodes(t, func(t *testing.T) store.Codes { return newFile(t).open().Codes() })
	if err := newFile(t).open().Codes().CheckEphemeral(t.Context()); !errors.Is(err, store.ErrDurable) {
		t.Errorf("CheckEphemeral: %v, want ErrDurable", err)
	}
}

func TestCodesDurable(t *testing.T) {
	storetest.RunCodesDurable(t, func(t *testing.T) func() store.Codes {
		f := newFile(t)
		return func() store.Codes { return f.open().Codes() }
	})
}

// putCode stores a code that expires.
func putCode(t *testing.T, c store.Codes, key envelope.KeyID, owner string) store.Code {
	t.Helper()
	code := store.Code{
		ID: store.CodeID{Owner: owner}, RecordID: envelope.NewRecordID(), Token: "t", Record: goldenRecord(key, 0xcc), Expires: 100,
	}
	if err := errors.Join(c.OpenFence(t.Context(), key), c.PutCodes(t.Context(), []store.Code{code})); err != nil {
		t.Fatal(err)
	}
	return code
}

// A file of before there were codes is read as one that has none, and takes some.
func TestCodesInOldFile(t *testing.T) {
	content, err := os.ReadFile(goldenV2)
	if err != nil {
		t.Fatal(err)
	}
	f := newFile(t)
	if err := os.WriteFile(f.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(c store.Codes) {
		t.Helper()
		_, err := c.Code(t.Context(), store.CodeID{}, 0)
		n, countErr := c.CountCodes(t.Context(), envelope.KeyID{11})
		if !errors.Is(err, store.ErrNotFound) || n != 0 || countErr != nil {
			t.Fatalf("Code: %v; CountCodes: %d, %v", err, n, countErr)
		}
		for range c.ScanCodes(t.Context(), store.ScopeID{}) {
			t.Fatal("a code or an error in a file without codes")
		}
	}
	db, err := bolt.Open(t.Context(), f.path, &bolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	none(db.Codes())
	if err := db.Codes().PutCodes(t.Context(), []store.Code{{
		RecordID: envelope.RecordID{1}, Token: "t", Record: goldenRecord(envelope.KeyID{11}, 1),
	}}); !errors.Is(err, store.ErrReadOnly) {
		t.Fatalf("PutCodes: %v, want ErrReadOnly", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	c := f.open().Codes()
	none(c)
	n, err := c.SweepCodes(t.Context(), 1<<62, 10)
	if err := errors.Join(err, c.EraseToken(t.Context(), store.ScopeID{}, "t"), c.EraseCode(t.Context(), store.CodeID{})); err != nil || n != 0 {
		t.Fatalf("%d codes swept, %v", n, err)
	}
	// The golden file's fences hold for codes too.
	code := putCode(t, c, envelope.KeyID{11}, "a")
	code.Record = goldenRecord(envelope.KeyID{10}, 1)
	if err := c.PutCodes(t.Context(), []store.Code{code}); !errors.Is(err, store.ErrFenced) {
		t.Fatalf("PutCodes: %v, want ErrFenced", err)
	}
	if n, err := f.open().Codes().CountCodes(t.Context(), envelope.KeyID{11}); n != 1 || err != nil {
		t.Fatalf("CountCodes: %d, %v", n, err)
	}
}

// What is refused and changes nothing costs no transaction, so that who guesses on
// cannot keep the disk busy.
func TestRefusedAttemptsAreNotWritten(t *testing.T) {
	f := newFile(t)
	c := f.open().Codes()
	code := putCode(t, c, envelope.KeyID{1}, "a")
	attempt := func(counter uint16, l store.TryLimits, want store.TryResult) {
		t.Helper()
		a, err := c.Attempt(t.Context(), code.ID, counter, l, 0)
		if err != nil || a.Result != want {
			t.Fatalf("Attempt: %d, %v; want %d", a.Result, err, want)
		}
	}
	transaction := func() (id int) {
		t.Helper()
		f.close()
		b, err := bbolt.Open(f.path, 0o600, &bbolt.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		err = b.View(func(tx *bbolt.Tx) error { id = tx.ID(); return nil })
		if err := errors.Join(err, b.Close()); err != nil {
			t.Fatal(err)
		}
		c = f.open().Codes()
		return id
	}
	l := store.TryLimits{Tries: 1, Guesses: 1}
	attempt(1, l, store.TryTaken)
	attempt(1, l, store.TryBlocked) // sets Blocked
	before := transaction()
	for range 3 {
		attempt(1, l, store.TryBlocked)
		attempt(2, l, store.TryCapped)
	}
	if after := transaction(); after != before {
		t.Fatalf("%d transactions", after-before)
	}
	attempt(2, store.TryLimits{Tries: 1, Guesses: 2}, store.TryTaken)
	if after := transaction(); after != before+1 {
		t.Fatalf("%d transactions, want 1", after-before)
	}
}
