package local

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// maxFile bounds what is read of a file, in bytes; both kinds are far smaller.
const maxFile = 4096

// create writes a new file that only its owner can read and has it on disk
// before it returns: losing a key that already wrapped something loses data. An
// existing file is never touched. On failure no file is left.
func create(path string, content []byte) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(path))
		}
	}()
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder makes the new name durable too.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be flushed there
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// read returns the content of a regular file that only its owner can read. The
// caller wipes it.
func read(path string) ([]byte, error) {
	// Looked at before it is opened, since opening a pipe would wait for a writer,
	// and again after, since the name may have come to mean another file.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := allowed(path, info); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if info, err = f.Stat(); err != nil {
		return nil, err
	}
	if err := allowed(path, info); err != nil {
		return nil, err
	}
	// One buffer, filled in place: growing it would leave copies of the key.
	content := make([]byte, maxFile+1)
	n, err := io.ReadFull(f, content)
	switch {
	case err == nil:
		clear(content)
		return nil, &FileError{path, "is too long for a key file"}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return content[:n], nil
	}
	clear(content)
	return nil, err
}

func allowed(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &FileError{path, "is not a regular file"}
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return &FileError{path, "is open to others than its owner: run chmod 600 on it"}
	}
	return nil
}
