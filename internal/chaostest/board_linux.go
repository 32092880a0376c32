package chaostest

import (
	"errors"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

const boardSize = 4096

// OpenBoard maps a file, made if need be, until the process ends: memory that all
// processes share. T holds atomic numbers and no pointers, in at most 4,096 bytes.
func OpenBoard[T any](path string) (*T, error) {
	if unsafe.Sizeof(*new(T)) > boardSize {
		return nil, errors.New("chaostest: a board has 4,096 bytes")
	}
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
	return (*T)(unsafe.Pointer(&page[0])), nil
}
