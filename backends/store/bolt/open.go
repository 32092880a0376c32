package bolt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"

	"github.com/cardseal/cardseal/tokenize/store"
)

// How long Open waits for another process to let go of the file, and how long
// between two tries.
const (
	lockWait  = 1500 * time.Millisecond
	lockRetry = 25 * time.Millisecond
)

// Open opens the file at path; o may be nil. It fails with an error that is
//
//   - [fs.ErrNotExist] if there is none and o.Create is false,
//   - [store.ErrLocked] if another process still has it after 1.5 seconds,
//   - [store.ErrReadOnly] if the file or its file system takes no writes and
//     o.ReadOnly is false,
//   - [store.ErrCorrupt] if it is no store or is damaged,
//   - [store.ErrNewer] if a newer version of this package wrote it,
//
// or the context's own error.
func Open(ctx context.Context, path string, o *Options) (*DB, error) {
	if o == nil {
		o = &Options{}
	}
	if o.MaxSize < 0 {
		return nil, &store.InvalidError{Field: "Options.MaxSize", Problem: "is negative"}
	}
	if o.Create && o.ReadOnly {
		return nil, &store.InvalidError{Field: "Options.Create", Problem: "goes with writing only"}
	}
	created, err := prepare(path, o)
	if err != nil {
		return nil, err
	}
	b, file, err := openLocked(ctx, path, o)
	if err != nil {
		return nil, translate(err)
	}
	db := &DB{bolt: b, file: file, writer: make(chan struct{}, 1)}
	if err := db.prepareBuckets(ctx, o); err != nil {
		_ = db.Close() // the first error says more
		return nil, err
	}
	if created {
		if err := syncFolder(path); err != nil {
			_ = db.Close()
			return nil, translate(err)
		}
	}
	return db, nil
}

// prepare looks at the file before bolt does: bolt would make a missing one, and
// trusts what it finds.
func prepare(path string, o *Options) (created bool, err error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && o.Create {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("bolt: %w", err)
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("bolt: %w: not a regular file", store.ErrCorrupt)
	}
	// Said of the mode too, since root may write to any file.
	if !o.ReadOnly && info.Mode().Perm()&0o200 == 0 {
		return false, fmt.Errorf("bolt: %w: the file's mode forbids writing", store.ErrReadOnly)
	}
	if info.Size() == 0 && o.Create {
		return true, nil // making it was interrupted
	}
	err = inspect(path)
	if errors.Is(err, store.ErrCorrupt) && heldByOther(path) {
		return false, fmt.Errorf("bolt: %w", store.ErrLocked) // it is being made
	}
	return false, err
}

// heldByOther reports whether another process has the file for writing.
func heldByOther(path string) (held bool) {
	b, _, err := openOnce(path, &Options{ReadOnly: true})
	if err == nil {
		_ = b.Close()
	}
	return errors.Is(err, berrors.ErrTimeout)
}

// openLocked tries for the lock until it has it, the time is up or the caller
// goes. bolt's own waiting would not hear of the context.
func openLocked(ctx context.Context, path string, o *Options) (*bbolt.DB, *os.File, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, lockWait, store.ErrLocked)
	defer cancel()
	for {
		if err := context.Cause(ctx); err != nil {
			return nil, nil, fmt.Errorf("bolt: %w", err)
		}
		b, file, err := openOnce(path, o)
		if !errors.Is(err, berrors.ErrTimeout) {
			return b, file, readOnly(path, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(lockRetry):
		}
	}
}

func openOnce(path string, o *Options) (b *bbolt.DB, file *os.File, err error) {
	defer shield(&err, func(error) {
		// bolt panicked over a page and gave us nothing to close.
		if file != nil {
			_ = abandon(file)
		}
	})()
	b, err = bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:  time.Nanosecond, // one try
		ReadOnly: o.ReadOnly,
		MaxSize:  o.MaxSize,
		// The free list stays in the file: without it bolt reads the whole file
		// when it opens it and after each failed write.
		FreelistType: bbolt.FreelistMapType,
		NoStatistics: true,
		OpenFile: func(path string, flag int, mode os.FileMode) (*os.File, error) {
			f, err := os.OpenFile(path, flag, mode)
			file = f
			return f, err
		},
	})
	return b, file, err
}

// readOnly finds out whether a file that may not be opened for writing may be
// read.
func readOnly(path string, err error) error {
	if !errors.Is(err, fs.ErrPermission) {
		return err
	}
	f, openErr := os.Open(path)
	if openErr != nil {
		return err
	}
	_ = f.Close()
	return fmt.Errorf("bolt: %w: %w", store.ErrReadOnly, err)
}

// prepareBuckets makes the buckets of a new file, or checks the format of an
// old one.
func (db *DB) prepareBuckets(ctx context.Context, o *Options) error {
	empty := false
	err := db.view(ctx, func(tx *bbolt.Tx) error {
		first, _ := tx.Cursor().First()
		empty = first == nil
		if empty {
			return nil
		}
		return checkFormat(tx)
	})
	if err != nil || !empty {
		return err
	}
	if !o.Create {
		return fmt.Errorf("bolt: %w: the file holds no store", store.ErrCorrupt)
	}
	return db.update(ctx, func(tx *bbolt.Tx) error {
		for _, name := range allBuckets {
			if _, err := tx.CreateBucketIfNotExists(name); err != nil {
				return err
			}
		}
		return tx.Bucket(bucketMeta).Put(keyFormat, binary.BigEndian.AppendUint32(nil, formatVersion))
	})
}

func checkFormat(tx *bbolt.Tx) error {
	meta := tx.Bucket(bucketMeta)
	if meta == nil {
		return fmt.Errorf("bolt: %w: a bolt file, but no store of cardseal", store.ErrCorrupt)
	}
	value := meta.Get(keyFormat)
	if len(value) != 4 || binary.BigEndian.Uint32(value) == 0 {
		return corrupt("the format's version")
	}
	if v := binary.BigEndian.Uint32(value); v > formatVersion {
		return newer(fmt.Sprintf("the file has format %d, this version reads up to %d", v, formatVersion))
	}
	for _, name := range allBuckets {
		if tx.Bucket(name) == nil {
			return corrupt("bucket " + string(name))
		}
	}
	for _, name := range codeBuckets {
		if (tx.Bucket(name) == nil) != (tx.Bucket(bucketCodes) == nil) {
			return corrupt("bucket " + string(name))
		}
	}
	return nil
}

// syncFolder makes the new file's name durable.
func syncFolder(path string) error {
	folder, err := os.Open(filepath.Dir(path))
	if err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("bolt: %w", err)
	}
	return nil
}
