//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package bolt

import "os"

// abandon gives the file back where bolt itself can no longer do so. Here the
// lock on it may last until the process ends.
func abandon(f *os.File) error { return f.Close() }
