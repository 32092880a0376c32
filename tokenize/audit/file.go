package audit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/cardseal/cardseal/crypto/chain"
	"github.com/cardseal/cardseal/keys"
)

// FileOptions tunes a [File]. The zero value begins a chain of its own in a file that
// holds none.
type FileOptions struct {
	// Continue, in a file that holds no chain yet, goes on where another file ended:
	// at that one's [File.Head]. A file that holds a chain goes on with it.
	Continue *Anchor
}

// File is a sink that appends the lines of a chain to a file. It is safe for
// concurrent use. A file belongs to one File: where the system has flock, a second
// one is refused with [ErrLocked]; elsewhere the caller sees to it.
//
// Events handed over together are written together, in one write. A call that fails
// has recorded none of them, but for one whose write went well and whose fsync did
// not: after that the File refuses everything, since what the kernel dropped it
// will not say, and has to be opened again. What a failed write left, as on a full
// disk, is taken back before the next one; where the process ends before that could
// be done, whole lines of it stay as entries.
type File struct {
	keys Keys
	file disk

	mu     sync.Mutex
	chain  chain.ID
	head   chain.Head
	begun  bool // the file holds a line of the chain
	after  *Anchor
	end    int64 // where the chain's last line ends
	size   int64 // where the file ended when it was last looked at
	ready  bool  // which is where the chain ends
	open   bool  // the chain's last line lacks its line end
	cut    bool  // beyond it lies what a failed write left
	keyID  keys.KeyID
	key    *chain.Key // nil before the first line
	buf    []byte
	failed error
}

// disk is what a File asks of its os.File.
type disk interface {
	io.ReaderAt
	io.Writer
	Truncate(size int64) error
	Stat() (os.FileInfo, error)
	Sync() error
	Close() error
}

// OpenFile opens a log to append to, made with mode 0600 where there is none. It
// reads the end of the file and makes no call for keys: the first [File.Record]
// does. What follows the last whole line of a chain stays, and the first line
// written says so. The error is [ErrLocked], [ErrNewer] or the file's.
func OpenFile(path string, k Keys, o *FileOptions) (*File, error) {
	if k == nil {
		return nil, errors.New("audit: OpenFile needs keys")
	}
	if o != nil && o.Continue != nil && o.Continue.Sequence == 0 {
		return nil, errors.New("audit: OpenFile cannot continue a chain without entries")
	}
	file, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	f := &File{keys: k, file: file}
	if o != nil {
		f.after = o.Continue
	}
	if err := lock(file); err != nil {
		file.Close()
		return nil, err
	}
	if err := f.look(path); err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

func (f *File) look(path string) error {
	info, err := f.file.Stat()
	if err != nil {
		return err
	}
	if info.Size() == 0 {
		// Perhaps made just now: its name must last as its entries do.
		if err := syncDir(filepath.Dir(path)); err != nil {
			return err
		}
	}
	t, err := readTail(f.file, info.Size())
	if err != nil {
		return err
	}
	switch {
	case t.last != nil:
		a := t.anchor()
		f.chain, f.head, f.begun, f.end, f.open = a.Chain, a.Head, true, t.end, t.open
	case f.after != nil:
		f.chain, f.head = f.after.Chain, f.after.Head
	default:
		f.chain = chain.NewID()
	}
	return nil
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // which does not sync folders
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// Record appends events. Those of what gives out a card number or a security code are
// durable when it returns, others after [File.Sync]. The context bounds the calls for keys alone.
func (f *File) Record(ctx context.Context, events []Event) error {
	if len(events) == 0 {
		return nil
	}
	if err := f.append(ctx, events); err != nil {
		return err
	}
	for i := range events {
		switch events[i].Action {
		case Reveal, RevealVaultless, RevealCaptured, RevealScheme, RetrieveCode:
			return f.Sync() // before it is given out
		}
	}
	return nil
}

// maxKept keeps a rare large batch from holding its buffer for ever.
const maxKept = 1 << 20

func (f *File) append(ctx context.Context, events []Event) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed != nil {
		return f.failed
	}
	if err := f.useKey(ctx); err != nil {
		return err
	}
	w := batch{file: f, head: f.head, buf: f.buf[:0]}
	if !f.ready {
		if err := f.settle(&w); err != nil {
			return err
		}
	}
	for i := range events {
		e := &events[i]
		if year := e.Time.UTC().Year(); year < 0 || year > 9999 {
			return ErrEvent
		}
		if n := w.add(line{event: e}); n > MaxLine {
			return ErrEvent
		}
	}
	if cap(w.buf) <= maxKept {
		f.buf = w.buf
	}
	n, err := f.file.Write(w.buf)
	if err != nil {
		f.ready, f.cut = false, n > 0
		_ = f.takeBack() // or before the next write
		return fmt.Errorf("audit: %w", err)
	}
	f.head, f.begun, f.ready, f.open = w.head, true, true, false
	f.size += int64(n)
	f.end = f.size
	return nil
}

// takeBack cuts off what a failed write left: it may have whole lines in it, which
// were reported as not recorded. f.mu is held.
func (f *File) takeBack() error {
	if !f.cut {
		return nil
	}
	if err := f.file.Truncate(f.size); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	f.cut = false
	return nil
}

// useKey takes the ring's active key, which may have been rotated.
func (f *File) useKey(ctx context.Context) error {
	id, err := f.keys.ActiveKey(ctx)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	if f.key != nil && id == f.keyID {
		return nil
	}
	k, err := chainKey(ctx, f.keys, id, f.chain)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	f.keyID, f.key = id, k
	return nil
}

// Sync makes what was recorded durable.
func (f *File) Sync() error {
	err := f.file.Sync() // others may write meanwhile
	if err == nil {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil {
		f.failed = fmt.Errorf("audit: %w", err)
	}
	return f.failed
}

// Head returns where the chain stands, to be kept elsewhere. What it stands at is
// durable after [File.Sync] alone. There is none before the first entry.
func (f *File) Head() (a Anchor, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.begun {
		return Anchor{}, false
	}
	return Anchor{f.chain, f.head}, true
}

// Close makes the log durable and closes it.
func (f *File) Close() error { return errors.Join(f.Sync(), f.file.Close()) }
