package envelope

import (
	"errors"
	"fmt"
)

// ErrOpen is every failure to open a record, test with errors.Is. The others
// are kinds of it that the header, which anybody can read, tells in clear.
var (
	ErrOpen       = errors.New("envelope: record does not open")
	ErrVersion    = fmt.Errorf("%w: unknown format version", ErrOpen)
	ErrSuite      = fmt.Errorf("%w: unknown suite", ErrOpen)
	ErrUnknownKey = fmt.Errorf("%w: unknown key", ErrOpen)
	ErrOtherKey   = fmt.Errorf("%w: sealed under another key, or another salt", ErrOpen)
	ErrText       = fmt.Errorf("%w: malformed text form", ErrOpen)
)

// ArgumentError is a wrong argument: which one, and what it must be. It never
// holds the argument's value.
type ArgumentError struct {
	Field  string
	Reason string
}

func (e *ArgumentError) Error() string { return "envelope: " + e.Field + " " + e.Reason }
