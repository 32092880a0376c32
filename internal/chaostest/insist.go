package chaostest

import (
	"context"
	"errors"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Tries bounds how often a call is made that others or the killer got in the way
// of. The store has tried a few times each before it says so.
const Tries = 1000

// Insist calls f again while it fails in a way that passes.
func Insist(ctx context.Context, f func() error) (err error) {
	for range Tries {
		if err = f(); err == nil || ctx.Err() != nil || !Passing(err) {
			return err
		}
	}
	return err
}

// Passing reports an error that says: nothing was done, or nobody knows.
func Passing(err error) bool {
	for _, kind := range []error{tokenize.ErrOutcomeUnknown, tokenize.ErrConflict, store.ErrUnavailable,
		keys.ErrUnavailable, keys.ErrConflict} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
