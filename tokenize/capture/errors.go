package capture

import (
	"errors"
	"fmt"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
)

// ErrOpen is every refusal of a message. The other three are kinds of it.
var (
	ErrOpen     = cryptocapture.ErrOpen
	ErrStale    = fmt.Errorf("%w: it was captured too long ago", ErrOpen)
	ErrFuture   = fmt.Errorf("%w: it was captured in the future", ErrOpen)
	ErrReplayed = fmt.Errorf("%w: it was sent before", ErrOpen)
)

// ErrNoKey is that the scope has no such key.
var ErrNoKey = errors.New("capture: no such key")

// ErrReplaysFull is that a [MemoryReplays] holds as many messages as it may. The
// message can be sent again later.
var ErrReplaysFull = errors.New("capture: too many messages are remembered")

// ArgumentError is a wrong argument: which one, and what it must be.
type ArgumentError = cryptocapture.ArgumentError
