package bolt

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// recordFormat is the first byte of a data key's record and of a ring. The key
// ID and the digest of the ring's name are their keys.
//
//	record, format 1: state (1), created, changed (varint, Unix seconds),
//	environment, purpose, scope (texts), number of wrappings (uvarint), each with
//	KEK and bytes (texts)
//
//	ring, format 1: version (8), environment, purpose, scope (texts), then key
//	IDs (16 each) to the end
const recordFormat = 1

func appendRecord(b []byte, r *keys.Record) []byte {
	b = append(b, recordFormat, byte(r.State))
	b = binary.AppendVarint(b, r.Created.Unix())
	b = binary.AppendVarint(b, r.Changed.Unix())
	b = appendRingID(b, &r.Ring)
	b = binary.AppendUvarint(b, uint64(len(r.Wrapped)))
	for _, w := range r.Wrapped {
		b = appendText(b, w.KEK)
		b = appendText(b, w.Bytes)
	}
	return b
}

func decodeRecord(id keys.KeyID, value []byte) (keys.Record, error) {
	r := reader{b: value}
	if format := r.byte(); format > recordFormat {
		return keys.Record{}, newer("a key record")
	} else if format != recordFormat {
		return keys.Record{}, corrupt("a key record")
	}
	rec := keys.Record{ID: id, State: keys.State(r.byte())}
	rec.Created = time.Unix(r.varint(), 0).UTC()
	rec.Changed = time.Unix(r.varint(), 0).UTC()
	rec.Ring = readRingID(&r)
	if n := r.count(2); n > 0 {
		rec.Wrapped = make([]keys.Wrapping, n)
	}
	for i := range rec.Wrapped {
		rec.Wrapped[i].KEK = string(r.text())
		rec.Wrapped[i].Bytes = bytes.Clone(r.text())
	}
	if !r.end() || rec.State < keys.Active || rec.State > keys.Destroyed {
		return keys.Record{}, corrupt("a key record")
	}
	return rec, nil
}

// ring is a ring's version and the keys that were ever put into it.
type ring struct {
	version uint64
	ids     []keys.KeyID
}

// ringKey is the ring's key: a digest, since the names may be of any length.
func ringKey(id *keys.RingID) []byte {
	sum := sha256.Sum256(appendRingID(nil, id))
	return sum[:]
}

func appendRing(b []byte, id *keys.RingID, r *ring) []byte {
	b = append(b, recordFormat)
	b = binary.BigEndian.AppendUint64(b, r.version)
	b = appendRingID(b, id)
	for i := range r.ids {
		b = append(b, r.ids[i][:]...)
	}
	return b
}

func decodeRing(id *keys.RingID, value []byte) (ring, error) {
	r := reader{b: value}
	if format := r.byte(); format > recordFormat {
		return ring{}, newer("a ring")
	} else if format != recordFormat {
		return ring{}, corrupt("a ring")
	}
	out := ring{version: r.uint64()}
	name := readRingID(&r)
	for len(r.b) > 0 {
		var key keys.KeyID
		r.into(key[:])
		out.ids = append(out.ids, key)
	}
	if !r.end() || name != *id || out.version == 0 {
		return ring{}, corrupt("a ring")
	}
	return out, nil
}

func appendRingID(b []byte, id *keys.RingID) []byte {
	b = appendText(b, id.Environment)
	b = appendText(b, string(id.Purpose))
	return appendText(b, id.Scope)
}

func readRingID(r *reader) (id keys.RingID) {
	id.Environment = string(r.text())
	id.Purpose = keys.Purpose(r.text())
	id.Scope = string(r.text())
	return id
}
