package postgres

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"unicode/utf8"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// Three columns of a card hold lists. Integers are big-endian.
//
//	sealed        each value: field (1), generation (8), length of the record (4), record
//	sealed_keys   each data key of them, ascending: number of values (2), key ID (16)
//	index_values  each value: 1 if it is in unique_values, 0 if in plain_values (1),
//	              key ID (16), value (32)
const (
	keySize        = len(envelope.KeyID{})
	sealedHead     = 1 + 8 + 4
	countedKeySize = 2 + keySize
	indexEntrySize = 1 + keySize + 32
)

// maxKeys is under how many data keys the sealed values of one row may be: as
// many as fit an entry of a B-tree.
const maxKeys = 128

// entry is an index value of a row as it is stored.
type entry struct {
	store.IndexValue
	unique bool
}

func appendSealed(b []byte, list []store.Sealed) []byte {
	for i := range list {
		s := &list[i]
		b = append(b, s.Field)
		b = binary.BigEndian.AppendUint64(b, s.Generation)
		b = binary.BigEndian.AppendUint32(b, uint32(len(s.Record)))
		b = append(b, s.Record...)
	}
	return b
}

// decodeSealed gives out parts of b.
func decodeSealed(b []byte) (list []store.Sealed, err error) {
	for len(b) > 0 {
		if len(b) < sealedHead {
			return nil, corrupt("a sealed value")
		}
		s := store.Sealed{Field: b[0], Generation: binary.BigEndian.Uint64(b[1:])}
		n := binary.BigEndian.Uint32(b[9:])
		if b = b[sealedHead:]; uint64(n) > uint64(len(b)) {
			return nil, corrupt("a sealed value")
		}
		s.Record, b = b[:n:n], b[n:]
		if k := len(list); k > 0 && list[k-1].Field >= s.Field {
			return nil, corrupt("a sealed value")
		}
		list = append(list, s)
	}
	return list, nil
}

type countedKey struct {
	key envelope.KeyID
	n   uint16
}

// countKeys lists the data keys of sealed values.
func countKeys(list []store.Sealed) (keys []countedKey) {
	for i := range list {
		id, _ := envelope.StoredKeyID(list[i].Record)
		at := slices.IndexFunc(keys, func(k countedKey) bool { return k.key == id })
		if at < 0 {
			at, keys = len(keys), append(keys, countedKey{key: id})
		}
		keys[at].n++
	}
	slices.SortFunc(keys, func(a, b countedKey) int { return bytes.Compare(a.key[:], b.key[:]) })
	return keys
}

func appendKeys(b []byte, keys []countedKey) []byte {
	for i := range keys {
		b = binary.BigEndian.AppendUint16(b, keys[i].n)
		b = append(b, keys[i].key[:]...)
	}
	return b
}

// countUnder is how many sealed values the column says are under a key.
func countUnder(column []byte, key envelope.KeyID) (n uint64, err error) {
	for len(column) > 0 {
		if len(column) < countedKeySize {
			return 0, corrupt("the data keys of a card")
		}
		if bytes.Equal(column[2:countedKeySize], key[:]) {
			n += uint64(binary.BigEndian.Uint16(column))
		}
		column = column[countedKeySize:]
	}
	return n, nil
}

func appendEntries(b []byte, list []entry) []byte {
	for i := range list {
		unique := byte(0)
		if list[i].unique {
			unique = 1
		}
		b = append(b, unique)
		b = append(b, list[i].Key[:]...)
		b = append(b, list[i].Value[:]...)
	}
	return b
}

func decodeEntries(b []byte) ([]entry, error) {
	if len(b) == 0 {
		return nil, nil
	}
	if len(b)%indexEntrySize != 0 {
		return nil, corrupt("the index values of a card")
	}
	list := make([]entry, len(b)/indexEntrySize)
	for i := range list {
		e := b[i*indexEntrySize:]
		if e[0] > 1 {
			return nil, corrupt("the index values of a card")
		}
		list[i].unique = e[0] == 1
		copy(list[i].Key[:], e[1:])
		copy(list[i].Value[:], e[1+keySize:])
	}
	return list, nil
}

// check refuses what this store cannot keep or give back as it is.
func check(w *store.Write) error {
	if err := store.Check(w); err != nil {
		return err
	}
	r := &w.Row
	for _, t := range []struct{ field, text string }{
		{"Row.Token", r.Token}, {"Row.Order", r.Order}, {"Row.BIN", r.BIN}, {"Row.LastFour", r.LastFour},
		{"Row.Network", r.Network}, {"Row.Brand", r.Brand}, {"Row.Local", r.Local}, {"Row.Funding", r.Funding},
		{"Row.UpdatedBy", r.UpdatedBy}, {"Row.Analytics", r.Analytics}, {"Row.Scheme.PAR", r.Scheme.PAR},
		{"Row.Scheme.Requestor", r.Scheme.Requestor},
	} {
		if !isText(t.text) {
			return &store.InvalidError{Field: t.field, Problem: notText}
		}
	}
	if len(r.Sealed) > maxKeys && len(countKeys(r.Sealed)) > maxKeys {
		return &store.InvalidError{Field: "Row.Sealed", Problem: "is under more than 128 data keys"}
	}
	return nil
}

const notText = "must be UTF-8 without a zero byte"

// isText reports what PostgreSQL takes as text.
func isText(s string) bool {
	for i := range len(s) {
		if s[i] == 0 || s[i] >= utf8.RuneSelf {
			return utf8.ValidString(s) && !bytes.Contains([]byte(s), []byte{0})
		}
	}
	return true
}

// name is a token of a scope.
type name struct {
	scope store.ScopeID
	token string
}

func (a name) compare(b name) int {
	return cmp.Or(bytes.Compare(a.scope[:], b.scope[:]), cmp.Compare(a.token, b.token))
}

// place is an index value of a scope.
type place struct {
	scope store.ScopeID
	store.IndexValue
}

func (a *place) compare(b *place) int {
	return cmp.Or(bytes.Compare(a.scope[:], b.scope[:]), bytes.Compare(a.Key[:], b.Key[:]),
		bytes.Compare(a.Value[:], b.Value[:]))
}
