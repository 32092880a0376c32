package envelope

import (
	"crypto/rand"
	"encoding/hex"
)

// KeyID names a data key: 16 random bytes, drawn when the key is made and never
// given to another. It is no secret.
type KeyID [16]byte

// NewKeyID draws a key ID.
func NewKeyID() (id KeyID) {
	rand.Read(id[:])
	return id
}

// String is the ID in 32 lower-case hexadecimal digits.
func (id KeyID) String() string { return hex.EncodeToString(id[:]) }

// IsZero reports whether id is the zero ID, which names no key.
func (id KeyID) IsZero() bool { return id == KeyID{} }

// RecordID names a sealed record for its whole life: 16 random bytes that never
// change, bound into the record as additional data. It is not the token.
type RecordID [16]byte

// NewRecordID draws a record ID.
func NewRecordID() (id RecordID) {
	rand.Read(id[:])
	return id
}

// String is the ID in 32 lower-case hexadecimal digits.
func (id RecordID) String() string { return hex.EncodeToString(id[:]) }
