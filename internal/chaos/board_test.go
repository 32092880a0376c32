//go:build linux

package chaos

import (
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// board is a page of memory that all processes share.
type board struct {
	tickets atomic.Uint64 // saves that were begun
	rotator atomic.Uint64 // one more than the number of the process that rotates
	joiner  atomic.Uint64 // likewise of the one that helps
}

const boardSize = 4096

// openBoard maps a file, made if need be, until the process ends.
func openBoard(path string) (*board, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := f.Truncate(boardSize); err != nil {
		return nil, err
	}
	page, err := unix.Mmap(int(f.Fd()), 0, boardSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return (*board)(unsafe.Pointer(&page[0])), nil
}
