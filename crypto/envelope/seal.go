package envelope

import (
	"crypto/cipher"
	"crypto/subtle"
	"slices"
)

// SealingKey seals and opens the records of one scope key and one salt. It is
// AES-256-GCM with a random nonce and the header that its records begin with.
// It is safe for concurrent use. It does not count: see [Limit].
type SealingKey struct {
	aead   cipher.AEAD
	scope  *ScopeKey
	header []byte // everything before the nonce; in stored mode a slice of fixed
	fixed  [storedPrefix]byte
}

// SealingKey is the first half of step (b): two AES blocks and a key schedule,
// about half a microsecond.
func (k *ScopeKey) SealingKey(salt Salt) (*SealingKey, error) {
	aead, err := k.cipher(make([]byte, keySize), salt[:])
	if err != nil {
		return nil, err
	}
	return k.keyOf(aead, salt), nil
}

// keyOf puts a salt's cipher together with the header of its records.
func (k *ScopeKey) keyOf(aead cipher.AEAD, salt Salt) *SealingKey {
	s := &SealingKey{scope: k, aead: aead}
	header := slices.Grow(s.fixed[:0], len(k.prefix)+SaltSize)
	s.header = append(append(header, k.prefix...), salt[:]...)
	return s
}

// Scope is the scope key it was made from.
func (s *SealingKey) Scope() *ScopeKey { return s.scope }

// Overhead is what a record is longer than its plaintext, in bytes.
func (s *SealingKey) Overhead() int { return len(s.header) + nonceSize + tagSize }

// Seal appends the record of plaintext to dst. Opening it takes the same
// additional data, as [Additional] encodes it. The spare capacity of dst must
// overlap neither plaintext nor aad: where it does, Seal panics or overwrites
// them, but never seals something else than they were. It allocates only where
// dst is too small.
func (s *SealingKey) Seal(dst, plaintext, aad []byte) []byte {
	dst = slices.Grow(dst, s.Overhead()+len(plaintext))
	start, body := len(dst), len(dst)+len(s.header)
	// The header is written last: the cipher checks overlap with what it writes
	// itself, and a header written first could fall on the plaintext unseen.
	record := s.aead.Seal(dst[:body], nil, plaintext, aad)
	if len(s.header) == storedPrefix {
		*(*[storedPrefix]byte)(record[start:]) = s.fixed
	} else {
		copy(record[start:body], s.header)
	}
	return record
}

// Matches reports whether the record's header names this very key, salt and
// commitment. All of it is compared whatever differs, so that the time says nothing
// of how much of a forged commitment was right.
func (s *SealingKey) Matches(record []byte) bool {
	if len(s.header) != storedPrefix || len(record) < Overhead {
		return len(record) >= s.Overhead() && subtle.ConstantTimeCompare(record[:len(s.header)], s.header) == 1
	}
	a, b := (*[storedPrefix]byte)(record), &s.fixed
	return differ(a, b, 0)|differ(a, b, 8)|differ(a, b, 16)|differ(a, b, 24)|
		differ(a, b, 32)|differ(a, b, 40)|differ(a, b, 48)|differ(a, b, storedPrefix-8) == 0
}

// Open appends the plaintext of a record to dst, or returns [ErrOpen] and no
// bytes: [ErrOtherKey] where [SealingKey.Matches] says no, before the cipher runs.
// The spare capacity of dst must overlap neither record nor aad.
func (s *SealingKey) Open(dst, record, aad []byte) ([]byte, error) {
	if !s.Matches(record) {
		return nil, ErrOtherKey
	}
	out, err := s.aead.Open(dst, nil, record[len(s.header):], aad)
	if err != nil {
		return nil, ErrOpen
	}
	return out, nil
}

// Matches reports whether a record names the scope key's data key and carries its
// commitment. The comparison takes the same time whatever differs.
func (k *ScopeKey) Matches(record []byte) bool {
	n := len(k.prefix)
	return len(record) >= n && subtle.ConstantTimeCompare(record[:n], k.prefix) == 1
}

// SealingKeyFor makes the sealing key that a record's header asks for, or
// returns [ErrOpen] where the header's reference or commitment is not this scope
// key's: the record belongs to another key or place, or was altered.
func (k *ScopeKey) SealingKeyFor(record []byte) (*SealingKey, error) {
	aead, salt, err := k.cipherFor(nil, record)
	if err != nil {
		return nil, err
	}
	return k.keyOf(aead, salt), nil
}
