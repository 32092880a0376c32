package cli

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/cardseal/cardseal/crypto/ff1"
)

// maxFF1Key bounds what is read of a key file, in bytes: 64 digits and space
// around them.
const maxFF1Key = 256

// readFF1Key reads an AES key in hexadecimal from a file that only its owner can
// read.
func readFF1Key(path string) (*ff1.Key, error) {
	// Looked at before it is opened, since opening a pipe would wait for a writer.
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if err := ownersOnly(path, info); err != nil {
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
	if err := ownersOnly(path, info); err != nil {
		return nil, err
	}
	var content [maxFF1Key + 1]byte
	var raw [32]byte
	defer func() { clear(content[:]); clear(raw[:]) }()
	n, err := io.ReadFull(f, content[:])
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	digits := bytes.TrimSpace(content[:n])
	bad := &failure{"the key file " + path + " must hold an AES key of 16, 24 or 32 bytes in hexadecimal and nothing else"}
	if len(digits) > hex.EncodedLen(len(raw)) {
		return nil, bad
	}
	size, err := hex.Decode(raw[:], digits)
	if err != nil {
		return nil, bad
	}
	key, err := ff1.NewKey(raw[:size])
	if err != nil {
		return nil, bad
	}
	return key, nil
}

func ownersOnly(path string, info fs.FileInfo) error {
	if !info.Mode().IsRegular() {
		return &failure{"the key file " + path + " is not a regular file"}
	}
	if info.Mode().Perm()&0o077 != 0 && runtime.GOOS != "windows" {
		return &failure{"the key file " + path + " is open to others than its owner: run chmod 600 on it"}
	}
	return nil
}
