package capture

import (
	"crypto/rand"
	"encoding/hex"
)

// keyIDSize is the length of a key ID in bytes.
const keyIDSize = 16

// KeyID names a key pair: 16 random bytes, drawn when it is made and never given
// to another. It is no secret.
type KeyID [keyIDSize]byte

// NewKeyID draws a key ID.
func NewKeyID() (id KeyID) {
	rand.Read(id[:])
	return id
}

// ParseKeyID reads what String writes, and nothing else.
func ParseKeyID[T ~string | ~[]byte](text T) (KeyID, error) {
	var id KeyID
	if len(text) != 2*keyIDSize {
		return KeyID{}, errKeyID
	}
	for i := range id {
		hi, lo := nibble(text[2*i]), nibble(text[2*i+1])
		if hi > 15 || lo > 15 {
			return KeyID{}, errKeyID
		}
		id[i] = hi<<4 | lo
	}
	return id, nil
}

var errKeyID = &ArgumentError{"key ID", "must be 32 lower-case hexadecimal digits"}

// nibble is the value of a lower-case hexadecimal digit, or more than 15.
func nibble(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// String is the ID in 32 lower-case hexadecimal digits, as it stands in a JWE's
// kid.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero ID, which names no key.
func (id KeyID) IsZero() bool { return id == KeyID{} }
