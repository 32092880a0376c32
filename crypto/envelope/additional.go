package envelope

import (
	"encoding/binary"
	"math"
	"slices"
	"unicode/utf8"
)

// additionalVersion is the first byte of encoded additional data.
const additionalVersion = 0x01

// fixedAdditional is the length of the encoding without owner and pairs.
const fixedAdditional = 2 + len(RecordID{}) + 2 + 8

// MaxPairs bounds the caller's pairs of one record: the sum of all names and
// values in bytes.
const MaxPairs = 1024

// Pair is one of the caller's own values bound into a record. It is not stored
// in it: the same pairs must be given to open it. Both parts are UTF-8.
type Pair struct{ Name, Value string }

// Additional is what a record is bound to besides key and place. None of it is
// stored in the record: it must be given again, byte for byte, to open it.
type Additional struct {
	Field      byte     // what the plaintext is, as the caller numbers its fields
	Record     RecordID // never changes while the record's row lives
	Owner      string   // UTF-8, 65,535 bytes at most; empty where there is none
	Generation uint64   // of the field's value; 0 where no repository counts it
	Pairs      []Pair   // sorted by name, names unique and not empty, [MaxPairs] bytes in all
}

// AppendTo appends the encoding that goes into AES-GCM as additional data:
// version (0x01) ‖ field ‖ record ID (16) ‖ owner ‖ generation (8) ‖ pairs, with
// owner, names and values each behind a 16-bit length. It allocates only where
// dst is too small.
func (a *Additional) AppendTo(dst []byte) ([]byte, error) {
	if a.Owner == "" && len(a.Pairs) == 0 {
		return a.appendPlain(dst), nil
	}
	if len(a.Owner) > math.MaxUint16 {
		return nil, &ArgumentError{"owner", "is longer than 65535 bytes"}
	}
	if !utf8.ValidString(a.Owner) {
		return nil, &ArgumentError{"owner", "is not UTF-8"}
	}
	dst = append(dst, additionalVersion, a.Field)
	dst = append(dst, a.Record[:]...)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(a.Owner)))
	dst = append(dst, a.Owner...)
	dst = binary.BigEndian.AppendUint64(dst, a.Generation)
	return appendPairs(dst, a.Pairs)
}

// appendPlain is AppendTo without owner and pairs, all of whose places are known.
func (a *Additional) appendPlain(dst []byte) []byte {
	n := len(dst)
	if cap(dst)-n < fixedAdditional {
		dst = slices.Grow(dst, fixedAdditional)
	}
	dst = dst[:n+fixedAdditional]
	b := (*[fixedAdditional]byte)(dst[n:])
	b[0], b[1] = additionalVersion, a.Field
	*(*RecordID)(b[2:]) = a.Record
	b[18], b[19] = 0, 0
	binary.BigEndian.PutUint64(b[20:], a.Generation)
	return dst
}

// SetRecord puts another record ID in place of the one in an encoding that
// [Additional.AppendTo] made. It is for callers who bind many records alike.
func SetRecord(encoded []byte, id RecordID) {
	*(*RecordID)(encoded[2:]) = id
}

func appendPairs(dst []byte, pairs []Pair) ([]byte, error) {
	total := 0
	for i, p := range pairs {
		if p.Name == "" || i > 0 && p.Name <= pairs[i-1].Name {
			return nil, &ArgumentError{"pairs", "must be sorted by name, each name once and not empty"}
		}
		if !utf8.ValidString(p.Name) || !utf8.ValidString(p.Value) {
			return nil, &ArgumentError{"pairs", "must be UTF-8"}
		}
		if total += len(p.Name) + len(p.Value); total > MaxPairs {
			return nil, &ArgumentError{"pairs", "are longer than 1024 bytes in all"}
		}
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.Name)))
		dst = append(dst, p.Name...)
		dst = binary.BigEndian.AppendUint16(dst, uint16(len(p.Value)))
		dst = append(dst, p.Value...)
	}
	return dst, nil
}
