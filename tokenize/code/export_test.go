package code

import (
	"context"

	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
	"github.com/cardseal/cardseal/tokenize/seal"
	"github.com/cardseal/cardseal/tokenize/store"
)

// OpenWith opens a stored code with the keys of a Transient, as whoever has its
// process's memory can, and passes over what the API refuses.
func (s *Codes) OpenWith(ctx context.Context, c store.Code) (card.CVC, error) {
	return s.kept.open(ctx, &c)
}

// Manager has the data keys of the epochs.
func (t *Transient) Manager() *keys.Manager { return t.keys }

// Drawn and Below are what they are called.
var (
	Drawn = drawn
	Below = below
)

// Bound is bound.
func Bound(c *store.Code) *seal.Binding {
	b := bound(c)
	return &b
}

// Ring is that of transient codes.
var Ring = keys.RingID{Environment: "production", Purpose: keys.CVC}

const HalfOf = halfOf

// MaskRing is where the masks of its keys are.
var MaskRing = maskRing(Ring)

// Halves is what is split over two stores, as whoever has both sees it.
func Halves(first, second keys.Store) keys.Store { return &halves{first: first, second: second} }
