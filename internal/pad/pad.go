// Package pad holds the one random value that keeps secrets from lying in
// memory as they are written.
//
// fmt, slog and debuggers reach a value's memory through a caller's unexported
// field without asking its methods. Types that hold card numbers, codes or
// keys therefore store them XORed with this pad, so that what such a reader
// finds is noise. It is no encryption: whoever can read all of the process's
// memory has the pad too.
package pad

import "crypto/rand"

// Size is the length of the pad in bytes.
const Size = 32

// Value is drawn once per process and never changes.
var Value = draw()

func draw() (v [Size]byte) {
	rand.Read(v[:])
	return v
}
