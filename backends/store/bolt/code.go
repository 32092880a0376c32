package bolt

import (
	"bytes"
	"encoding/binary"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// codeFormat is the first byte of a security code. Its ID is its key: scope (16), owner
// type (1), card (32), owner.
//
//	format 1: record ID (16), token, record (texts), created, expires (varints),
//	reads, guesses (uvarints), number of counters (uvarint), each with ID (2), taken,
//	base (uvarints) and 1 if it is blocked, else 0 (1)
//
// Integers are big-endian, a text has its length (uvarint) before it.
const codeFormat = 1

func appendCodeKey(b []byte, id *store.CodeID) []byte {
	b = append(append(b, id.Scope[:]...), id.OwnerType)
	return append(append(b, id.Card[:]...), id.Owner...)
}

// appendTokenPrefix is the part of a key in bucketCodeTokens before the rest of the
// code's own key. The token has its length before it, so that no token begins
// another.
func appendTokenPrefix(b []byte, scope *store.ScopeID, token string) []byte {
	b = append(append(b, scope[:]...), byte(len(token)))
	return append(b, token...)
}

func appendTokenKey(b []byte, c *store.Code) []byte {
	b = appendTokenPrefix(b, &c.ID.Scope, c.Token)
	return append(b, appendCodeKey(nil, &c.ID)[scopeSize:]...)
}

// appendExpiry makes times sort as they follow each other, those before 1970 too.
func appendExpiry(b []byte, at int64) []byte {
	return binary.BigEndian.AppendUint64(b, uint64(at)^1<<63)
}

func appendExpiryKey(b []byte, c *store.Code) []byte {
	return appendCodeKey(appendExpiry(b, c.Expires), &c.ID)
}

func appendCode(b []byte, c *store.Code) []byte {
	b = append(append(b, codeFormat), c.RecordID[:]...)
	b = appendText(b, c.Token)
	b = appendText(b, c.Record)
	b = binary.AppendVarint(b, c.Created)
	b = binary.AppendVarint(b, c.Expires)
	b = binary.AppendUvarint(b, uint64(c.Reads))
	b = binary.AppendUvarint(b, uint64(c.Guesses))
	b = binary.AppendUvarint(b, uint64(len(c.Counters)))
	for _, n := range c.Counters {
		b = binary.BigEndian.AppendUint16(b, n.ID)
		b = binary.AppendUvarint(b, n.Taken)
		b = binary.AppendUvarint(b, n.Base)
		blocked := byte(0)
		if n.Blocked {
			blocked = 1
		}
		b = append(b, blocked)
	}
	return b
}

// decodeCode decodes a code. Its bytes are the caller's.
func decodeCode(key, value []byte) (store.Code, error) {
	k, r := reader{b: key}, reader{b: value}
	if format := r.byte(); format > codeFormat {
		return store.Code{}, newer("a security code")
	} else if format != codeFormat {
		return store.Code{}, corrupt("a security code")
	}
	var c store.Code
	k.into(c.ID.Scope[:])
	c.ID.OwnerType = k.byte()
	k.into(c.ID.Card[:])
	c.ID.Owner = string(k.b)
	r.into(c.RecordID[:])
	c.Token = string(r.text())
	c.Record = bytes.Clone(r.text())
	c.Created, c.Expires = r.varint(), r.varint()
	reads, guesses := r.uvarint(), r.uvarint()
	c.Reads, c.Guesses = uint32(reads), uint32(guesses)
	if n := r.count(5); n > 0 {
		c.Counters = make([]store.TryCounter, n)
	}
	for i := range c.Counters {
		n := &c.Counters[i]
		n.ID, n.Taken, n.Base = r.uint16(), r.uvarint(), r.uvarint()
		blocked := r.byte()
		n.Blocked = blocked == 1
		if blocked > 1 || n.Base > n.Taken || i > 0 && c.Counters[i-1].ID >= n.ID {
			r.fail()
		}
	}
	_, stored := envelope.StoredKeyID(c.Record)
	if k.failed || !r.end() || !stored || c.Token == "" || len(c.Token) > store.MaxName || reads > 1<<32-1 || guesses > 1<<32-1 {
		return store.Code{}, corrupt("a security code")
	}
	return c, nil
}
