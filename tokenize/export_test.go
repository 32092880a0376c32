package tokenize

import (
	"context"
	"time"

	"github.com/cardseal/cardseal/crypto/blindindex"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/card"
)

// What the external tests see of the inside.

// RecodeState reads a stored state and writes it again.
func RecodeState(stored []byte) ([]byte, error) {
	s, err := decodeState(stored)
	if err != nil {
		return nil, err
	}
	return s.encode()
}

// AnalyticsUnder is the analytics token of a card under a subkey.
func AnalyticsUnder(key []byte, pan card.PAN) (string, error) {
	x, err := blindindex.New(key, analyticsLabel)
	if err != nil {
		return "", err
	}
	return analyticsUnder(x, pan), nil
}

// FF1Token computes a card's token and saves nothing.
func (r *Repository) FF1Token(ctx context.Context, pan card.PAN) (string, error) {
	f, err := r.ff1(ctx, time.Now())
	if err != nil {
		return "", err
	}
	token, err := f.AppendToken(nil, pan.AppendDigits(nil))
	return string(token), err
}

// Pinned pins a ring's active key.
func (r *Repository) Pinned(ctx context.Context, p keys.Purpose) (keys.KeyID, error) {
	return r.pinned(ctx, p)
}
