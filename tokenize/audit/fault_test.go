package audit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cardseal/cardseal/keys"
)

// oneKey is a ring of one key.
type oneKey struct{}

func (oneKey) ActiveKey(context.Context) (keys.KeyID, error) { return keys.KeyID{7}, nil }
func (oneKey) Subkey(context.Context, keys.KeyID, string) ([]byte, error) {
	return bytes.Repeat([]byte{7}, 32), nil
}

// faulty is a disk whose operations fail as it is told.
type faulty struct {
	disk
	room           int // bytes that a write may still write; -1 for any number
	truncate, sync error
}

var errFault = errors.New("fault")

func (f *faulty) Write(b []byte) (int, error) {
	if f.room < 0 || len(b) <= f.room {
		return f.disk.Write(b)
	}
	n, err := f.disk.Write(b[:f.room])
	return n, errors.Join(errFault, err)
}

func (f *faulty) Truncate(size int64) error {
	if f.truncate != nil {
		return f.truncate
	}
	return f.disk.Truncate(size)
}

func (f *faulty) Sync() error {
	if f.sync != nil {
		return f.sync
	}
	return f.disk.Sync()
}

func openFaulty(t *testing.T, path string) (*File, *faulty) {
	t.Helper()
	f, err := OpenFile(path, oneKey{}, nil)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close() })
	d := &faulty{disk: f.file, room: -1}
	f.file = d
	return f, d
}

func verified(t *testing.T, path string) Report {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	r, err := Verify(t.Context(), bytes.NewReader(content), oneKey{}, nil)
	require.NoError(t, err)
	return r
}

// A write that fails after any number of bytes has recorded nothing, and the next
// one goes on as if it had not been; also in a file that has something to own up to.
func TestWriteFails(t *testing.T) {
	for _, before := range []string{"", "plain", "plain\n"} {
		path := filepath.Join(t.TempDir(), "log")
		for room := 0; ; room += 5 {
			require.NoError(t, os.WriteFile(path, []byte(before), 0o600))
			f, d := openFaulty(t, path)
			d.room, d.truncate = room, errFault
			events := []Event{{Action: Save, Token: "a"}, {Action: Save, Token: "b"}}
			err := f.Record(t.Context(), events)
			if err == nil {
				require.Greater(t, room, 100, "the test has lost its teeth")
				break
			}
			require.ErrorIs(t, err, errFault)
			_, ok := f.Head()
			require.False(t, ok)
			require.ErrorIs(t, f.Record(t.Context(), events), errFault, "it is still full")
			d.room = -1
			if room > 0 {
				require.ErrorIs(t, f.Record(t.Context(), events), errFault, "what was left cannot be taken back")
			}
			d.truncate = nil
			require.NoError(t, f.Record(t.Context(), events))
			require.NoError(t, f.Record(t.Context(), events))
			require.NoError(t, f.Close())
			r := verified(t, path)
			require.Equal(t, uint64(4), r.Events)
			require.Equal(t, before != "", r.GapCount == 1)
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(content, []byte(before)))
		}
	}
}

// Where it can be, what a failed write left is taken back at once.
func TestWriteFailsAndIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, d := openFaulty(t, path)
	require.NoError(t, f.Record(t.Context(), []Event{{Action: Save}}))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	d.room = 250
	require.ErrorIs(t, f.Record(t.Context(), []Event{{Action: Save}, {Action: Save}}), errFault)
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(before), string(after))
}

// A write that fails in the middle of a chain, and a process that ends before it
// could take back what was left.
func TestWriteFailsAndProcessEnds(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	for room := 0; room < 300; room += 4 {
		f, d := openFaulty(t, path)
		require.NoError(t, f.Record(t.Context(), []Event{{Action: Save, Token: fmt.Sprint(room)}}))
		d.room, d.truncate = room, errFault
		require.ErrorIs(t, f.Record(t.Context(), []Event{{Action: Save}, {Action: Save}}), errFault)
		require.NoError(t, f.Close())
	}
	f, _ := openFaulty(t, path)
	require.NoError(t, f.Record(t.Context(), []Event{{Action: Save}}))
	r := verified(t, path)
	require.GreaterOrEqual(t, r.Events, uint64(76))
	require.Positive(t, r.GapCount)
}

// Nobody knows what an fsync that failed has dropped: nothing more is written until
// the file is opened again.
func TestSyncFails(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	f, d := openFaulty(t, path)
	require.NoError(t, f.Record(t.Context(), []Event{{Action: Save}}))
	d.sync = errFault
	require.NoError(t, f.Record(t.Context(), []Event{{Action: Save}}), "only what gives something out waits for the disk")
	require.ErrorIs(t, f.Record(t.Context(), []Event{{Action: Save}, {Action: Reveal}}), errFault)
	for _, gives := range []Action{RevealVaultless, RevealCaptured, RevealScheme, RetrieveCode} {
		f, d := openFaulty(t, filepath.Join(t.TempDir(), "log"))
		d.sync = errFault
		require.ErrorIs(t, f.Record(t.Context(), []Event{{Action: gives}}), errFault, gives)
	}
	d.sync = nil
	require.ErrorIs(t, f.Record(t.Context(), []Event{{Action: Save}}), errFault)
	require.NoError(t, f.Close())
	f, _ = openFaulty(t, path)
	require.NoError(t, f.Record(t.Context(), []Event{{Action: Reveal}}))
	require.Equal(t, uint64(5), verified(t, path).Events)

	f, d = openFaulty(t, filepath.Join(t.TempDir(), "log"))
	d.sync = errFault
	require.ErrorIs(t, f.Sync(), errFault)
	require.ErrorIs(t, f.Record(t.Context(), []Event{{Action: Save}}), errFault)
	require.ErrorIs(t, f.Close(), errFault)
}
