package envelope

import (
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/cryptobyte"
)

// Sizes and numbers of format 1, in bytes.
const (
	Version      = 0x01 // first byte of every record
	SuiteXAES    = 0x01 // HKDF-SHA-256 expand, XAES-256-GCM
	inlineFlag   = 0x80 // bit 7 of the suite byte: the key reference is inline
	keySize      = 32
	commitSize   = 32
	SaltSize     = 12
	nonceSize    = 12
	tagSize      = 16
	keyIDSize    = 16
	kekIDSize    = 8
	storedPrefix = 2 + keyIDSize + commitSize + SaltSize

	// Overhead is what a stored-mode record is longer than its plaintext.
	Overhead = storedPrefix + nonceSize + tagSize
	// MaxWrapped is the longest wrapped data key an inline reference holds.
	MaxWrapped = 4096 - (kekIDSize + keyIDSize + 8)
)

// Limit is how many records are sealed under one [SealingKey] before its owner
// renews the salt. AES-GCM with random nonces allows 2^32 per key (NIST SP
// 800-38D, 8.3); a quarter of that leaves room for clones of the process.
const Limit = 1 << 30

// KEKID names a KEK in inline records: 8 bytes chosen at random once by the
// caller and kept with the KEK's configuration, never a digest of its name.
type KEKID [kekIDSize]byte

// Reference says which data key a record was sealed under. In stored mode that
// is the key's ID alone and Wrapped is nil; in inline mode the wrapped data key
// and what it is bound to travel with the record.
type Reference struct {
	KeyID   KeyID
	KEK     KEKID
	Created int64 // Unix seconds; inline mode only
	Wrapped []byte
}

// Inline reports whether the reference carries the wrapped key itself.
func (r *Reference) Inline() bool { return r.Wrapped != nil }

// encode appends suite byte and key reference as they stand in a header.
func (r *Reference) encode() (suite byte, ref []byte, err error) {
	if !r.Inline() {
		return SuiteXAES, r.KeyID[:], nil
	}
	if len(r.Wrapped) == 0 || len(r.Wrapped) > MaxWrapped {
		return 0, nil, &ArgumentError{"wrapped key", "must be 1 to 4064 bytes"}
	}
	var b cryptobyte.Builder
	b.AddUint16LengthPrefixed(func(b *cryptobyte.Builder) {
		b.AddBytes(r.KEK[:])
		b.AddBytes(r.KeyID[:])
		b.AddUint64(uint64(r.Created))
		b.AddBytes(r.Wrapped)
	})
	return SuiteXAES | inlineFlag, b.BytesOrPanic(), nil
}

// Header is what a record says in clear. Its slices point into the record.
type Header struct {
	Reference  Reference
	Suite      byte // without bit 7
	Commitment []byte
	Salt       []byte
	Nonce      []byte
	prefix     int // bytes up to and including the salt
	size       int // of the whole record
}

// Inspect reads a record's header, which needs no key and proves nothing: only
// opening the record does. Its errors satisfy errors.Is with [ErrOpen] and, where
// the header says so in clear, [ErrVersion] or [ErrSuite].
func Inspect(record []byte) (Header, error) {
	var h Header
	s := cryptobyte.String(record)
	var version, suite uint8
	if !s.ReadUint8(&version) {
		return Header{}, ErrOpen
	}
	if version != Version {
		return Header{}, ErrVersion
	}
	if !s.ReadUint8(&suite) {
		return Header{}, ErrOpen
	}
	h.Suite = suite &^ inlineFlag
	if h.Suite != SuiteXAES {
		return Header{}, ErrSuite
	}
	if suite&inlineFlag == 0 {
		if !s.CopyBytes(h.Reference.KeyID[:]) {
			return Header{}, ErrOpen
		}
	} else {
		var ref cryptobyte.String
		var created uint64
		if !s.ReadUint16LengthPrefixed(&ref) ||
			!ref.CopyBytes(h.Reference.KEK[:]) || !ref.CopyBytes(h.Reference.KeyID[:]) ||
			!ref.ReadUint64(&created) || len(ref) == 0 || len(ref) > MaxWrapped {
			return Header{}, ErrOpen
		}
		// Clipped, since it is handed to KEKs: an append must not reach the record.
		h.Reference.Created, h.Reference.Wrapped = int64(created), slices.Clip([]byte(ref))
	}
	if !s.ReadBytes(&h.Commitment, commitSize) || !s.ReadBytes(&h.Salt, SaltSize) {
		return Header{}, ErrOpen
	}
	h.prefix = len(record) - len(s)
	if !s.ReadBytes(&h.Nonce, nonceSize) || len(s) < tagSize {
		return Header{}, ErrOpen
	}
	h.size = len(record)
	return h, nil
}

// Inline reports whether the record carries its wrapped data key.
func (h *Header) Inline() bool { return h.Reference.Inline() }

// PlaintextSize is the length of what the record holds, in bytes, padding
// included.
func (h *Header) PlaintextSize() int { return h.size - h.prefix - nonceSize - tagSize }

// StoredKeyID reads the data key's ID from a stored-mode record, and reports
// whether the record is one long enough to be opened. It is how a card store
// learns which key a value needs.
func StoredKeyID(record []byte) (id KeyID, ok bool) {
	if !storedShape(record) {
		return KeyID{}, false
	}
	return KeyID(record[2 : 2+keyIDSize]), true
}

func storedShape(record []byte) bool {
	return len(record) >= Overhead && record[0] == Version && record[1] == SuiteXAES
}

// prefixSize is how many bytes of a record come before its nonce, or 0 where it
// is too short to be one.
func prefixSize(record []byte) int {
	if storedShape(record) {
		return storedPrefix
	}
	if len(record) < 4 || record[0] != Version || record[1] != SuiteXAES|inlineFlag {
		return 0
	}
	n := 4 + int(binary.BigEndian.Uint16(record[2:])) + commitSize + SaltSize
	if len(record) < n+nonceSize+tagSize {
		return 0
	}
	return n
}

// differ is not zero where eight bytes of two prefixes are not the same.
func differ(a, b *[storedPrefix]byte, at int) uint64 {
	return binary.NativeEndian.Uint64(a[at:]) ^ binary.NativeEndian.Uint64(b[at:])
}
