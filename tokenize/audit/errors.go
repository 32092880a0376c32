package audit

import (
	"errors"
	"fmt"
)

// What is wrong with a chain. [Verify] returns each within a [ChainError].
var (
	// ErrForeign: text that is not a line of the chain and that no line of it owns up
	// to: an altered line, or one from elsewhere.
	ErrForeign = errors.New("is not a line of the chain")
	// ErrOrder: a line that does not follow the one before: lines were dropped,
	// repeated, swapped or cut off the beginning.
	ErrOrder = errors.New("is not the next of the chain")
	// ErrOther: a line of another chain.
	ErrOther = errors.New("is of another chain")
	// ErrMAC: a line that does not fit its MAC or the line before.
	ErrMAC = errors.New("does not fit its MAC")
	// ErrGap: the bytes before the line are not those that it says are none of the
	// chain's.
	ErrGap = errors.New("does not fit the bytes before it that it marks as foreign")
	// ErrKey: a line that names a key the ring does not have.
	ErrKey = errors.New("names a key that the ring does not have")
	// ErrAnchor: the chain was another when the anchor was taken.
	ErrAnchor = errors.New("is not what it was when the anchor was taken")
	// ErrEarlier: the log begins after the anchor, which belongs to the one it continues.
	ErrEarlier = errors.New("begins after the anchor was taken")
	// ErrCut: the log ends before the anchor.
	ErrCut = errors.New("ends before the anchor: entries were cut off")
)

var (
	// ErrNewer is a log that a newer version wrote.
	ErrNewer = errors.New("audit: the log was written by a newer version")
	// ErrLocked is a log that another process, or another [File], writes.
	ErrLocked = errors.New("audit: another process writes the log")
	// ErrEvent is an event that cannot be written down.
	ErrEvent = errors.New("audit: event is too long or its year is not of four digits")
)

// ChainError says that a log is not what was written, and where.
type ChainError struct {
	Line int64 // from 1; 0 for the log as a whole
	Kind error // one of this package's
}

func (e *ChainError) Error() string {
	if e.Line == 0 {
		return fmt.Sprintf("audit: the log %v", e.Kind)
	}
	return fmt.Sprintf("audit: line %d %v", e.Line, e.Kind)
}

// Unwrap returns the kind.
func (e *ChainError) Unwrap() error { return e.Kind }
