package local

import (
	"errors"

	"github.com/cardseal/cardseal/keys"
)

var (
	// ErrPassphrase is a passphrase that does not open its file. A file altered
	// since it was made looks the same.
	ErrPassphrase = errors.New("local: wrong passphrase, or the passphrase file was altered")
	// ErrNoPassphrase is a passphrase file opened without a way to ask for one.
	ErrNoPassphrase = errors.New("local: the file needs a passphrase and there is no way to ask for it")
	// ErrClosed is the use of a closed KEK. It is keys.ErrClosed to errors.Is.
	ErrClosed error = closedError{}
)

type closedError struct{}

func (closedError) Error() string        { return "local: KEK is closed" }
func (closedError) Is(target error) bool { return target == keys.ErrClosed }

// FileError is a file that cannot be taken for a key. The path is in it, nothing
// of the content. Failures of the file system itself come as *fs.PathError.
type FileError struct{ Path, Reason string }

func (e *FileError) Error() string { return "local: " + e.Path + " " + e.Reason }

// ParamError is an argument outside its bounds.
type ParamError struct{ Field, Reason string }

func (e *ParamError) Error() string { return "local: " + e.Field + " " + e.Reason }
