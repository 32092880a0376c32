//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package bolt

import (
	"errors"
	"os"
	"syscall"
)

// abandon gives the file back where bolt itself can no longer do so. The lock
// belongs to the open file, which the memory map that bolt leaves behind keeps
// open, so closing alone would not end it.
func abandon(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
