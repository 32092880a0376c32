package capture

import (
	"context"
	"errors"
	"fmt"

	cryptocapture "github.com/cardseal/cardseal/crypto/capture"
	"github.com/cardseal/cardseal/keys"
)

// ErrOpen is every refusal of a message. The other three are kinds of it, told only of
// a message that was authenticated and read.
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

// DamagedError is keys that do not unseal: their rows were altered, or their data key is
// disabled or destroyed. What was asked for was done with all others.
type DamagedError struct {
	Keys []KeyID
	err  error // the first's
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("capture: keys that do not unseal: %d, the first is %v", len(e.Keys), e.Keys[0])
}

// Unwrap is why the first does not.
func (e *DamagedError) Unwrap() error { return e.err }

// add takes a key's error, or gives it back where it is no matter of that key.
func (e *DamagedError) add(ctx context.Context, id KeyID, err error) error {
	if ctx.Err() != nil {
		return err
	}
	for _, all := range []error{keys.ErrUnavailable, keys.ErrThrottled, keys.ErrDenied, keys.ErrClosed} {
		if errors.Is(err, all) {
			return err
		}
	}
	if e.Keys = append(e.Keys, id); e.err == nil {
		e.err = err
	}
	return nil
}

func (e *DamagedError) orNil() error {
	if len(e.Keys) == 0 {
		return nil
	}
	return e
}

// ArgumentError is a wrong argument: which one, and what it must be.
type ArgumentError = cryptocapture.ArgumentError
