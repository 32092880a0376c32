// Package wrapped is the form in which a wrapped data key is stored, whichever
// KMS wrapped it: version 0x01 (1 byte), check value (16), then what the KMS gave,
// in a form of the backend's own.
//
// The check value shows that an unwrapped data key is the one that was wrapped.
// TLS ends at the KMS's edge, and a bit that turns behind it, in an answer whose
// KMS sends no checksum, would give this process a data key that no other has:
// what it sealed nobody could open. It also fails closed where a KMS takes a
// binding and quietly ignores it. It is HMAC-SHA-256 over [keys.Binding.AAD] and
// what else the backend binds, under a subkey of the data key, cut to 16 bytes
// (SP 800-107): it tells nothing of the key.
package wrapped

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
)

const (
	version = 1
	// CheckSize is the length of a check value in bytes.
	CheckSize = 16
	// Overhead is how much longer the stored form is than what the KMS gave.
	Overhead = 1 + CheckSize
	label    = "cardseal wrap check"
)

// Check is a check value.
type Check [CheckSize]byte

// NewCheck computes the check value of a data key of 32 bytes under a binding.
// bound is what else must come back as it was, nil for nothing.
func NewCheck(dataKey []byte, b keys.Binding, bound []byte) (c Check, err error) {
	place := envelope.Place{Environment: b.Environment, Scope: b.Scope, Purpose: string(b.Purpose)}
	key, err := envelope.Subkey(dataKey, b.KeyID, place, label)
	if err != nil {
		return c, fmt.Errorf("check value of a data key: %w", err)
	}
	defer clear(key)
	h := hmac.New(sha256.New, key)
	h.Write(b.AAD()) // ends itself: every variable part has its length before it
	h.Write(bound)
	copy(c[:], h.Sum(nil))
	return c, nil
}

// Matches reports in constant time whether the data key is the one the check
// value was computed of, under the same binding.
func (c Check) Matches(dataKey []byte, b keys.Binding, bound []byte) bool {
	got, err := NewCheck(dataKey, b, bound)
	return err == nil && subtle.ConstantTimeCompare(got[:], c[:]) == 1
}

// Append appends the stored form to dst.
func Append(dst []byte, c Check, body []byte) []byte {
	dst = append(dst, version)
	dst = append(dst, c[:]...)
	return append(dst, body...)
}

// Split takes the stored form apart; body lies within wrapped. It reports false
// where the bytes are no such form.
func Split(wrapped []byte) (c Check, body []byte, ok bool) {
	if len(wrapped) <= Overhead || wrapped[0] != version {
		return c, nil, false
	}
	copy(c[:], wrapped[1:Overhead])
	return c, wrapped[Overhead:], true
}
