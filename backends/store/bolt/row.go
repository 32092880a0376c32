package bolt

import (
	"bytes"
	"encoding/binary"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// rowFormat is the first byte of a stored row. Scope and token are its key.
//
//	format 2: status (1), version (uvarint), order (text); then, but for a
//	tombstone: record ID (16), flags (1: bit 0 Invalid), PAN length (1),
//	verified (1), expiry (2), BIN, last four, network, brand, local brand, funding,
//	updated by (texts), created, updated, last used, expires (varints), number of
//	sealed values (uvarint), each with field (1), generation (uvarint) and record
//	(text), number of index values (uvarint), each with key ID (16) and value (32),
//	analytics token (text), the network token's status (1), expiry (2), payment
//	account reference and requestor (texts)
//
//	format 1, still read: the same without what comes after the index values
//
// Integers are big-endian, a text has its length (uvarint) before it.
const rowFormat = 2

const flagInvalid = 1

// How many texts and times stand in a row's body.
const bodyTexts, bodyTimes = 7, 4

const indexValueSize = len(envelope.KeyID{}) + 32

// appendRow encodes r, whose version is the one to store.
func appendRow(b []byte, r *store.Row) []byte {
	b = append(b, rowFormat, byte(r.Status))
	b = binary.AppendUvarint(b, r.Version)
	b = appendText(b, r.Order)
	if r.Status == store.Deleted {
		return b
	}
	b = append(b, r.RecordID[:]...)
	var flags byte
	if r.Invalid {
		flags |= flagInvalid
	}
	b = append(b, flags, r.PANLength, r.Verified)
	b = binary.BigEndian.AppendUint16(b, r.Expiry)
	b = appendText(b, r.BIN)
	b = appendText(b, r.LastFour)
	b = appendText(b, r.Network)
	b = appendText(b, r.Brand)
	b = appendText(b, r.Local)
	b = appendText(b, r.Funding)
	b = appendText(b, r.UpdatedBy)
	b = binary.AppendVarint(b, r.Created)
	b = binary.AppendVarint(b, r.Updated)
	b = binary.AppendVarint(b, r.LastUsed)
	b = binary.AppendVarint(b, r.Expires)
	b = binary.AppendUvarint(b, uint64(len(r.Sealed)))
	for i := range r.Sealed {
		s := &r.Sealed[i]
		b = append(b, s.Field)
		b = binary.AppendUvarint(b, s.Generation)
		b = appendText(b, s.Record)
	}
	b = binary.AppendUvarint(b, uint64(len(r.Index)))
	for i := range r.Index {
		b = append(b, r.Index[i].Key[:]...)
		b = append(b, r.Index[i].Value[:]...)
	}
	b = appendText(b, r.Analytics)
	b = append(b, r.Scheme.Status)
	b = binary.BigEndian.AppendUint16(b, r.Scheme.Expiry)
	b = appendText(b, r.Scheme.PAR)
	return appendText(b, r.Scheme.Requestor)
}

// head is what a write must know of the row it replaces.
type head struct {
	format  byte
	version uint64
	status  store.Status
	order   string
}

// readHead reads the beginning of a row and leaves r behind it.
func readHead(r *reader) (h head, err error) {
	h.format = r.byte()
	switch {
	case h.format > rowFormat:
		return head{}, newer("a row")
	case h.format == 0:
		return head{}, corrupt("a row")
	}
	h.status = store.Status(r.byte())
	h.version = r.uvarint()
	h.order = string(r.text())
	if r.failed || h.status < store.Active || h.status > store.Deleted || h.version == 0 {
		return head{}, corrupt("a row")
	}
	return h, nil
}

// decodeRow decodes a row of the token. Its bytes are the caller's.
func decodeRow(scope store.ScopeID, token, value []byte) (store.Row, error) {
	r := reader{b: value}
	h, err := readHead(&r)
	if err != nil {
		return store.Row{}, err
	}
	row := store.Row{Scope: scope, Token: string(token), Version: h.version, Status: h.status, Order: h.order}
	if h.status != store.Deleted {
		readBody(&r, &row)
		if h.format > 1 {
			row.Analytics = string(r.text())
			row.Scheme.Status, row.Scheme.Expiry = r.byte(), r.uint16()
			row.Scheme.PAR, row.Scheme.Requestor = string(r.text()), string(r.text())
		}
	}
	if !r.end() {
		return store.Row{}, corrupt("a row")
	}
	return row, nil
}

func readBody(r *reader, row *store.Row) {
	r.into(row.RecordID[:])
	flags := r.byte()
	if flags&^flagInvalid != 0 {
		r.fail()
	}
	row.Invalid = flags&flagInvalid != 0
	row.PANLength, row.Verified = r.byte(), r.byte()
	row.Expiry = r.uint16()
	readTexts(r, &row.BIN, &row.LastFour, &row.Network, &row.Brand, &row.Local, &row.Funding, &row.UpdatedBy)
	row.Created, row.Updated, row.LastUsed, row.Expires = r.varint(), r.varint(), r.varint(), r.varint()
	if n := r.count(3); n > 0 {
		row.Sealed = make([]store.Sealed, n)
	}
	for i := range row.Sealed {
		s := &row.Sealed[i]
		s.Field, s.Generation, s.Record = r.byte(), r.uvarint(), bytes.Clone(r.text())
		if i > 0 && row.Sealed[i-1].Field >= s.Field {
			r.fail()
		}
	}
	if n := r.count(indexValueSize); n > 0 {
		row.Index = make([]store.IndexValue, n)
	}
	for i := range row.Index {
		r.into(row.Index[i].Key[:])
		r.into(row.Index[i].Value[:])
	}
}

// readTexts makes one string of the texts and their lengths, and gives out
// parts of it: one allocation for all.
func readTexts(r *reader, texts ...*string) {
	all := *r
	for range texts {
		r.text()
	}
	if r.failed {
		return
	}
	joined := string(all.b[:len(all.b)-len(r.b)])
	for _, text := range texts {
		before := len(all.b)
		n := len(all.text())
		end := before - len(all.b)
		*text, joined = joined[end-n:end], joined[end:]
	}
}

// sealedUnder counts a row's sealed values under a data key.
func sealedUnder(value []byte, key envelope.KeyID) (n uint64, err error) {
	r := reader{b: value}
	h, err := readHead(&r)
	if err != nil || h.status == store.Deleted {
		return 0, err
	}
	r.bytes(len(envelope.RecordID{}) + 3 + 2)
	for range bodyTexts {
		r.text()
	}
	for range bodyTimes {
		r.varint()
	}
	for range r.count(3) {
		r.byte()
		r.uvarint()
		if id, ok := envelope.StoredKeyID(r.text()); ok && id == key {
			n++
		}
	}
	if r.failed {
		return 0, corrupt("a row")
	}
	return n, nil
}
