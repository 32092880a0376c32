package tokenize

import (
	"context"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// openFence makes the fence row of a data key, once per process.
func (v *Vault) openFence(ctx context.Context, id envelope.KeyID) error {
	// Nearly always it is the active key's, opened long ago.
	if last := v.fence.Load(); last != nil && *last == id {
		return nil
	}
	v.mu.Lock()
	opened := v.fences[id]
	v.mu.Unlock()
	if !opened {
		if err := v.cards.OpenFence(ctx, id); err != nil {
			return wrap(err)
		}
		v.mu.Lock()
		v.fences[id] = true
		v.mu.Unlock()
	}
	v.fence.Store(&id)
	return nil
}

// forgetFence makes the next write under a data key open its fence anew.
func (v *Vault) forgetFence(id envelope.KeyID) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.fences, id)
	v.fence.Store(nil)
}

func errFenced() *Error {
	return &Error{Cause: ServerFailed, SupportCode: "KEY_FENCED",
		Explanation: "a data key is closed for writing", err: keys.ErrDisabled}
}
