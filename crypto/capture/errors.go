package capture

import "errors"

// ErrOpen is every failure to parse or to open a message. It says nothing of the
// reason, since whoever sends messages must not learn it.
var ErrOpen = errors.New("capture: message does not open")

// ArgumentError is a wrong argument: which one, and what it must be. It never
// holds the argument's value.
type ArgumentError struct {
	Field  string
	Reason string
}

func (e *ArgumentError) Error() string { return "capture: " + e.Field + " " + e.Reason }
