package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cardseal/cardseal/internal/kmstest"
)

// cache is the folder that keeps what was built and what runs. One process has
// it at a time.
type cache struct {
	dir  string
	lock *os.File
}

func openCache() (*cache, error) {
	dir, err := kmstest.Folder()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return &cache{dir, lock}, nil
}

// Close lets the next one in.
func (c *cache) Close() error { return c.lock.Close() }

func (c *cache) path(elem ...string) string {
	return filepath.Join(append([]string{c.dir}, elem...)...)
}

// tool is the copy of this program that tests run.
func (c *cache) tool() string { return c.path("testservers") }

func (c *cache) keepTool() error {
	self, err := os.Executable()
	if err != nil || self == c.tool() {
		return err
	}
	from, err := os.Open(self)
	if err != nil {
		return err
	}
	defer from.Close()
	return writeAside(c.tool(), 0o700, func(w io.Writer) error {
		_, err := io.Copy(w, from)
		return err
	})
}

// once runs make unless it ran before on the same inputs and what it made, a
// folder or file of that name in the cache, is still there.
func (c *cache) once(name string, inputs []byte, make func(path string) error) error {
	sum := sha256.Sum256(inputs)
	want, stamp := hex.EncodeToString(sum[:]), c.path(name+".made-from")
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		if _, err := os.Stat(c.path(name)); err == nil {
			return nil
		}
	}
	if err := errors.Join(os.RemoveAll(stamp), os.RemoveAll(c.path(name))); err != nil {
		return err
	}
	say("making %s (once)", name)
	began := time.Now()
	if err := make(c.path(name)); err != nil {
		return err
	}
	say("made %s in %s", name, time.Since(began).Round(time.Second))
	return os.WriteFile(stamp, []byte(want), 0o600)
}

// writeAside writes a file under another name and renames it, so that whoever
// reads it sees all of it or what was there before.
func writeAside(path string, mode os.FileMode, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(mode), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// runIn runs a build step; what it says goes to standard error.
func runIn(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(name), err)
	}
	return nil
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
}
