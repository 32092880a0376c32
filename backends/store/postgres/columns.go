package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/cardseal/cardseal/tokenize/store"
)

// cardColumns are the columns of cards in the order in which this file writes
// and reads them.
const cardColumns = "scope, token, version, status, ord, record_id, bin, last_four, pan_length, network, brand, " +
	"local_brand, funding, expiry, invalid, verified, created, updated, updated_by, last_used, expires, " +
	"analytics, scheme_status, scheme_expiry, scheme_par, scheme_requestor, sealed_keys, sealed, index_values"

// cardArrays are the parameters that fill them, an array a column.
const cardArrays = "$1::bytea[], $2::text[], $3::bigint[], $4::smallint[], $5::text[], $6::bytea[], $7::text[], " +
	"$8::text[], $9::smallint[], $10::text[], $11::text[], $12::text[], $13::text[], $14::integer[], " +
	"$15::boolean[], $16::smallint[], $17::bigint[], $18::bigint[], $19::text[], $20::bigint[], $21::bigint[], " +
	"$22::text[], $23::smallint[], $24::integer[], $25::text[], $26::text[], $27::bytea[], $28::bytea[], $29::bytea[]"

// columnCount is how many they are.
const columnCount = 29

// columns are cards, column by column.
type columns struct {
	scope, recordID                      [][]byte
	token, ord, bin, lastFour            []string
	network, brand, local, funding       []string
	updatedBy, analytics, par, requestor []string
	version                              []int64
	status, panLength, verified, scheme  []int16
	expiry, schemeExpiry                 []int32
	invalid                              []bool
	created, updated, lastUsed, expires  []int64
	sealedKeys, sealed, indexValues      [][]byte
	slab                                 []byte
}

func newColumns(n int) *columns {
	c := &columns{}
	for _, list := range []*[][]byte{&c.scope, &c.recordID, &c.sealedKeys, &c.sealed, &c.indexValues} {
		*list = make([][]byte, 0, n)
	}
	for _, list := range []*[]string{&c.token, &c.ord, &c.bin, &c.lastFour, &c.network, &c.brand, &c.local,
		&c.funding, &c.updatedBy, &c.analytics, &c.par, &c.requestor} {
		*list = make([]string, 0, n)
	}
	for _, list := range []*[]int64{&c.version, &c.created, &c.updated, &c.lastUsed, &c.expires} {
		*list = make([]int64, 0, n)
	}
	for _, list := range []*[]int16{&c.status, &c.panLength, &c.verified, &c.scheme} {
		*list = make([]int16, 0, n)
	}
	c.expiry, c.schemeExpiry, c.invalid = make([]int32, 0, n), make([]int32, 0, n), make([]bool, 0, n)
	return c
}

// add appends a row as it is to be stored: r's fields under the version and the
// ordered column given, with entries as its index values.
func (c *columns) add(r *store.Row, version uint64, order string, entries []entry) {
	c.scope, c.token = append(c.scope, r.Scope[:]), append(c.token, r.Token)
	c.version, c.ord = append(c.version, int64(version)), append(c.ord, order)
	c.status = append(c.status, int16(r.Status))
	var recordID []byte
	if r.Status == store.Deleted {
		r, entries = &store.Row{}, nil
		recordID = []byte{}
	} else {
		recordID = r.RecordID[:]
	}
	c.recordID = append(c.recordID, recordID)
	c.bin, c.lastFour = append(c.bin, r.BIN), append(c.lastFour, r.LastFour)
	c.panLength = append(c.panLength, int16(r.PANLength))
	c.network, c.brand = append(c.network, r.Network), append(c.brand, r.Brand)
	c.local, c.funding = append(c.local, r.Local), append(c.funding, r.Funding)
	c.expiry, c.invalid = append(c.expiry, int32(r.Expiry)), append(c.invalid, r.Invalid)
	c.verified = append(c.verified, int16(r.Verified))
	c.created, c.updated = append(c.created, r.Created), append(c.updated, r.Updated)
	c.updatedBy = append(c.updatedBy, r.UpdatedBy)
	c.lastUsed, c.expires = append(c.lastUsed, r.LastUsed), append(c.expires, r.Expires)
	c.analytics, c.scheme = append(c.analytics, r.Analytics), append(c.scheme, int16(r.Scheme.Status))
	c.schemeExpiry = append(c.schemeExpiry, int32(r.Scheme.Expiry))
	c.par, c.requestor = append(c.par, r.Scheme.PAR), append(c.requestor, r.Scheme.Requestor)
	c.sealedKeys = append(c.sealedKeys, c.cut(appendKeys(c.slab, countKeys(r.Sealed))))
	c.sealed = append(c.sealed, c.cut(appendSealed(c.slab, r.Sealed)))
	c.indexValues = append(c.indexValues, c.cut(appendEntries(c.slab, entries)))
}

const slabSize = 64 << 10

// cut takes what was appended to the slab, memory that many values are cut from.
// It is never nil, which would be NULL.
func (c *columns) cut(appended []byte) []byte {
	piece := appended[len(c.slab):len(appended):len(appended)]
	if c.slab = appended; c.slab == nil || len(c.slab) > slabSize {
		c.slab = make([]byte, 0, slabSize+slabSize/4)
	}
	if piece == nil {
		piece = []byte{}
	}
	return piece
}

// args are the parameters of a statement with cardArrays.
func (c *columns) args() []any {
	return []any{c.scope, c.token, c.version, c.status, c.ord, c.recordID, c.bin, c.lastFour, c.panLength,
		c.network, c.brand, c.local, c.funding, c.expiry, c.invalid, c.verified, c.created, c.updated,
		c.updatedBy, c.lastUsed, c.expires, c.analytics, c.scheme, c.schemeExpiry, c.par, c.requestor,
		c.sealedKeys, c.sealed, c.indexValues}
}

// scanRow reads the columns of one card.
func scanRow(rows pgx.Rows) (r store.Row, err error) {
	var scope, recordID, keys, sealed, index []byte
	var version int64
	var status, panLength, verified, scheme int16
	var expiry, schemeExpiry int32
	err = rows.Scan(&scope, &r.Token, &version, &status, &r.Order, &recordID, &r.BIN, &r.LastFour, &panLength,
		&r.Network, &r.Brand, &r.Local, &r.Funding, &expiry, &r.Invalid, &verified, &r.Created, &r.Updated,
		&r.UpdatedBy, &r.LastUsed, &r.Expires, &r.Analytics, &scheme, &schemeExpiry, &r.Scheme.PAR, &r.Scheme.Requestor,
		&keys, &sealed, &index)
	if err != nil {
		return store.Row{}, scanFailed(err)
	}
	r.Version, r.Status = uint64(version), store.Status(status)
	if len(scope) != len(r.Scope) || version <= 0 || r.Status < store.Active || r.Status > store.Deleted {
		return store.Row{}, corrupt("a card")
	}
	copy(r.Scope[:], scope)
	if r.Status == store.Deleted {
		return store.Row{Scope: r.Scope, Token: r.Token, Version: r.Version, Status: r.Status, Order: r.Order}, nil
	}
	if len(recordID) != len(r.RecordID) {
		return store.Row{}, corrupt("a card")
	}
	copy(r.RecordID[:], recordID)
	r.PANLength, r.Verified, r.Expiry = uint8(panLength), uint8(verified), uint16(expiry)
	r.Scheme.Status, r.Scheme.Expiry = uint8(scheme), uint16(schemeExpiry)
	if r.Sealed, err = decodeSealed(sealed); err != nil {
		return store.Row{}, err
	}
	entries, err := decodeEntries(index)
	if err != nil {
		return store.Row{}, err
	}
	for i := range entries {
		r.Index = append(r.Index, entries[i].IndexValue)
	}
	return r, nil
}
