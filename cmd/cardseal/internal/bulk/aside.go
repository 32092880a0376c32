package bulk

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/cardseal/cardseal/cmd/cardseal/internal/vaultdir"
)

// partSuffix is what the name of a file aside ends in.
const partSuffix = ".part"

// ExistsError is a file that stands where output is to be written.
type ExistsError struct {
	Path string
	Part bool // it is the file aside of a run that did not end
}

func (e *ExistsError) Error() string {
	if e.Part {
		return e.Path + " was left by a run with other input or other settings: give that command again to let it finish, or remove the file"
	}
	return e.Path + " exists already and is not written over"
}

// GoneError is a file aside that an interrupted run wrote to and that is not
// there any more, or not whole.
type GoneError struct{ Path string }

func (e *GoneError) Error() string {
	return e.Path + ", which an interrupted run of this command wrote, is gone or was shortened; --restart begins anew"
}

// aside is an output file that is written under another name. The file is made
// when the first byte is written.
type aside struct {
	path string // its name in the end
	file *os.File
	buf  *bufio.Writer
	size int64
	sync bool // something was written since the last sync
}

func (a *aside) part() string { return a.path + partSuffix }

// refuseExisting fails if the file or its file aside is there.
func (a *aside) refuseExisting() error {
	for _, path := range []string{a.path, a.part()} {
		if _, err := os.Lstat(path); err == nil {
			return &ExistsError{path, path != a.path}
		} else if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// resume cuts the file aside to the length that an earlier run recorded.
func (a *aside) resume(size int64) error {
	f, err := os.OpenFile(a.part(), os.O_WRONLY, 0)
	if errors.Is(err, fs.ErrNotExist) && size == 0 {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return &GoneError{a.part()}
	}
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err == nil && info.Size() < size {
		err = &GoneError{a.part()}
	}
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		_, err = f.Seek(size, 0)
	}
	if err != nil {
		f.Close()
		return err
	}
	a.file, a.size, a.sync = f, size, true
	a.buf = bufio.NewWriterSize(f, 64<<10)
	return nil
}

func (a *aside) Write(p []byte) (int, error) {
	if a.file == nil {
		f, err := os.OpenFile(a.part(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return 0, err
		}
		a.file, a.buf = f, bufio.NewWriterSize(f, 64<<10)
	}
	n, err := a.buf.Write(p)
	a.size += int64(n)
	a.sync = true
	return n, err
}

// Sync makes what was written durable.
func (a *aside) Sync() error {
	if a.file == nil || !a.sync {
		return nil
	}
	if err := a.buf.Flush(); err != nil {
		return err
	}
	if err := a.file.Sync(); err != nil {
		return err
	}
	a.sync = false
	return nil
}

// Close keeps the file aside.
func (a *aside) Close() error {
	if a.file == nil {
		return nil
	}
	err := a.buf.Flush()
	if cerr := a.file.Close(); err == nil {
		err = cerr
	}
	a.file = nil
	return err
}

// publish gives a file aside of the given length its name. It may have been done
// already, in part or whole, by a run that was killed. An empty file is given its
// name only if it is wanted.
func publish(path string, size int64, wanted bool) error {
	part := path + partSuffix
	made, err := os.Stat(part)
	if errors.Is(err, fs.ErrNotExist) {
		return published(path, size, wanted)
	}
	if err != nil {
		return err
	}
	if size == 0 && !wanted {
		return os.Remove(part)
	}
	if made.Size() != size {
		return &GoneError{part}
	}
	switch err := os.Link(part, path); {
	case err == nil:
	case errors.Is(err, fs.ErrExist):
		there, serr := os.Stat(path)
		if serr != nil {
			return serr
		}
		if !os.SameFile(made, there) {
			return &ExistsError{Path: path}
		}
	case noLinks(err):
		if _, err := os.Lstat(path); err == nil {
			return &ExistsError{Path: path}
		}
		if err := os.Rename(part, path); err != nil {
			return err
		}
		return vaultdir.SyncDir(filepath.Dir(path))
	default:
		return err
	}
	if err := vaultdir.SyncDir(filepath.Dir(path)); err != nil {
		return err
	}
	return os.Remove(part)
}

// noLinks finds file systems on which a file has one name.
func noLinks(err error) bool {
	return errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.ENOTSUP) ||
		errors.Is(err, syscall.ENOSYS) || errors.Is(err, syscall.EMLINK)
}

// published checks that an earlier run gave the file its name.
func published(path string, size int64, wanted bool) error {
	if size == 0 && !wanted {
		return nil
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &GoneError{path + partSuffix}
	}
	if err != nil {
		return err
	}
	if info.Size() != size {
		return fmt.Errorf("%w (an interrupted run of this command was about to write it)", &ExistsError{Path: path})
	}
	return nil
}
