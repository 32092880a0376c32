package memory

import (
	"encoding/binary"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// encoded is a row in one immutable string: one allocation without pointers,
// which a reader may decode after it let go of the lock. The layout is private
// to the process and trusted, so decoding does not check it.
//
//	status, invalid, PAN length, verified (1 each), expiry (2), version, created,
//	updated, last used, expires (8 each), record ID (16), number of index values
//	(1), for each its value (32) and key ID (16), token and order (1-byte length),
//	ten texts (varint length), the network token's status (1) and expiry (2),
//	number of sealed values (varint), for each its field (1), generation (8) and
//	record (varint length)
type encoded string

const (
	atVersion = 6
	atTimes   = atVersion + 8
	atRecord  = atTimes + 4*8
	atIndex   = atRecord + 16
	indexSize = 32 + 16
)

// appendRow encodes r as it is stored at version, with order as its ordered
// column. A tombstone keeps nothing else.
func appendRow(b []byte, r *store.Row, version uint64, order string) []byte {
	var gone store.Row
	if r.Status == store.Deleted {
		gone.Token, gone.Status = r.Token, r.Status
		r = &gone
	}
	var invalid byte
	if r.Invalid {
		invalid = 1
	}
	b = append(b, byte(r.Status), invalid, r.PANLength, r.Verified)
	b = binary.LittleEndian.AppendUint16(b, r.Expiry)
	b = binary.LittleEndian.AppendUint64(b, version)
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Created))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Updated))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.LastUsed))
	b = binary.LittleEndian.AppendUint64(b, uint64(r.Expires))
	b = append(b, r.RecordID[:]...)
	b = append(b, byte(len(r.Index)))
	for i := range r.Index {
		b = append(b, r.Index[i].Value[:]...)
		b = append(b, r.Index[i].Key[:]...)
	}
	b = append(b, byte(len(r.Token)))
	b = append(b, r.Token...)
	b = append(b, byte(len(order)))
	b = append(b, order...)
	b = appendText(b, r.BIN)
	b = appendText(b, r.LastFour)
	b = appendText(b, r.Network)
	b = appendText(b, r.Brand)
	b = appendText(b, r.Local)
	b = appendText(b, r.Funding)
	b = appendText(b, r.UpdatedBy)
	b = appendText(b, r.Analytics)
	b = appendText(b, r.Scheme.PAR)
	b = appendText(b, r.Scheme.Requestor)
	b = append(b, r.Scheme.Status)
	b = binary.LittleEndian.AppendUint16(b, r.Scheme.Expiry)
	b = binary.AppendUvarint(b, uint64(len(r.Sealed)))
	for i := range r.Sealed {
		s := &r.Sealed[i]
		b = append(b, s.Field)
		b = binary.LittleEndian.AppendUint64(b, s.Generation)
		b = binary.AppendUvarint(b, uint64(len(s.Record)))
		b = append(b, s.Record...)
	}
	return b
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func (e encoded) status() store.Status { return store.Status(e[0]) }
func (e encoded) version() uint64      { return uint64At(e, atVersion) }

// indexed is the number of index values.
func (e encoded) indexed() int { return int(e[atIndex]) }

// indexValue is the i-th index value without its key.
func (e encoded) indexValue(i int) string {
	at := atIndex + 1 + i*indexSize
	return string(e[at : at+32])
}

// holds reports whether v is one of the index values.
func (e encoded) holds(v *store.IndexValue) bool {
	for i := range e.indexed() {
		at := atIndex + 1 + i*indexSize
		if string(e[at:at+32]) == string(v.Value[:]) && string(e[at+32:at+indexSize]) == string(v.Key[:]) {
			return true
		}
	}
	return false
}

// token is the row's token as part of e.
func (e encoded) token() string { return e.short(e.atToken()) }

// order is the ordered column as part of e.
func (e encoded) order() string {
	at := e.atToken()
	return e.short(at + 1 + int(e[at]))
}

func (e encoded) atToken() int { return atIndex + 1 + e.indexed()*indexSize }

func (e encoded) short(at int) string { return string(e[at+1 : at+1+int(e[at])]) }

// decode returns the row. Texts are parts of e, bytes are the caller's.
func (e encoded) decode(scope store.ScopeID) store.Row {
	r := store.Row{
		Scope:     scope,
		Status:    e.status(),
		Invalid:   e[1] != 0,
		PANLength: e[2],
		Verified:  e[3],
		Expiry:    uint16(e[4]) | uint16(e[5])<<8,
		Version:   e.version(),
		Created:   int64(uint64At(e, atTimes)),
		Updated:   int64(uint64At(e, atTimes+8)),
		LastUsed:  int64(uint64At(e, atTimes+16)),
		Expires:   int64(uint64At(e, atTimes+24)),
		Token:     e.token(),
		Order:     e.order(),
	}
	copy(r.RecordID[:], e[atRecord:])
	rest := e.texts(&r)
	if n := rest.count(); n > 0 {
		r.Sealed = make([]store.Sealed, n)
		for i := range r.Sealed {
			s := &r.Sealed[i]
			s.Field, s.Generation = rest.e[0], uint64At(rest.e, 1)
			rest.e = rest.e[9:]
			s.Record = []byte(rest.text())
		}
	}
	if e.indexed() > 0 {
		r.Index = make([]store.IndexValue, e.indexed())
		for i := range r.Index {
			at := atIndex + 1 + i*indexSize
			copy(r.Index[i].Value[:], e[at:])
			copy(r.Index[i].Key[:], e[at+32:])
		}
	}
	return r
}

// sealedUnder counts the sealed values under a data key.
func (e encoded) sealedUnder(key envelope.KeyID) (n uint64) {
	rest := e.texts(&store.Row{})
	for range rest.count() {
		rest.e = rest.e[9:]
		record := rest.text()
		if record[2:2+len(key)] == string(key[:]) { // check saw to the header
			n++
		}
	}
	return n
}

// texts decodes the texts into r and returns what comes after.
func (e encoded) texts(r *store.Row) cursor {
	at := e.atToken()
	at += 1 + int(e[at]) // behind the token
	at += 1 + int(e[at]) // behind the ordered column
	c := cursor{e[at:]}
	r.BIN, r.LastFour, r.Network, r.Brand = c.text(), c.text(), c.text(), c.text()
	r.Local, r.Funding, r.UpdatedBy = c.text(), c.text(), c.text()
	r.Analytics, r.Scheme.PAR, r.Scheme.Requestor = c.text(), c.text(), c.text()
	r.Scheme.Status, r.Scheme.Expiry = c.e[0], uint16(c.e[1])|uint16(c.e[2])<<8
	c.e = c.e[3:]
	return c
}

// cursor is what is left to decode.
type cursor struct{ e encoded }

func (c *cursor) count() int {
	var n, shift uint
	for i := range len(c.e) {
		n |= uint(c.e[i]&0x7f) << shift
		if c.e[i] < 0x80 {
			c.e = c.e[i+1:]
			break
		}
		shift += 7
	}
	return int(n)
}

func (c *cursor) text() string {
	n := c.count()
	s := string(c.e[:n])
	c.e = c.e[n:]
	return s
}

func uint64At(e encoded, at int) (v uint64) {
	for i := range 8 {
		v |= uint64(e[at+i]) << (8 * i)
	}
	return v
}
