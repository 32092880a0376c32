package seal

import (
	"context"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

// ActiveKey is the data key that all fields but security codes are sealed under,
// made if there is none. A record of another ([envelope.StoredKeyID]) can be sealed
// anew; after [Sealer.Refresh] the answer is what the key store says now.
func (s *Sealer) ActiveKey(ctx context.Context) (keys.KeyID, error) {
	if s.dataErr != nil {
		return keys.KeyID{}, s.dataErr
	}
	return s.data.ActiveKey(ctx)
}

// Reseal opens what any of this package's calls sealed, but for security codes,
// and appends it to dst sealed anew under the active key, bound to the same. Codes
// are refused: they end with their key.
//
// The generation stays, since the value does. A record of it under an earlier key
// opens as long as that key does, and gives the same.
//
// A record that does not open is [envelope.ErrOpen]; any other error is of the
// active key.
func (s *Sealer) Reseal(ctx context.Context, dst, record []byte, f Field, b *Binding) ([]byte, error) {
	if f == CVC {
		return nil, &envelope.ArgumentError{Field: "field", Reason: "is not sealed anew"}
	}
	if s.dataErr != nil {
		return nil, s.dataErr
	}
	w := s.work.Get().(*work)
	defer s.work.Put(w)
	bound, err := w.bind(f, b)
	if err != nil {
		return nil, err
	}
	// What it says is nobody's business here, and its padding stays.
	plain, err := s.data.OpenWith(ctx, bound, record)
	if err != nil {
		return nil, err
	}
	bound.Plain = plain
	dst, err = s.data.SealWith(ctx, bound, dst)
	clear(plain)
	w.plain[1] = [32]byte{}
	return dst, err
}
