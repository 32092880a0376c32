package storetest

import (
	"crypto/rand"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// harness is one store under test and the scope and data key most tests need.
type harness struct {
	*testing.T
	c     store.Cards
	scope store.ScopeID
	key   envelope.KeyID // its fence is open
	index envelope.KeyID
}

func newHarness(t *testing.T, c store.Cards) *harness {
	h := &harness{T: t, c: c, scope: newScope(), key: envelope.NewKeyID(), index: envelope.NewKeyID()}
	h.noError(c.OpenFence(t.Context(), h.key), "OpenFence")
	return h
}

func newScope() (id store.ScopeID) {
	rand.Read(id[:])
	return id
}

func digest() (d [32]byte) {
	rand.Read(d[:])
	return d
}

// record stands for a sealed record in stored mode under key: the header of
// format 1, and random bytes for the rest.
func record(key envelope.KeyID) []byte {
	b := make([]byte, 104)
	rand.Read(b)
	b[0], b[1] = 1, 1
	copy(b[2:], key[:])
	return b
}

// row is a new token with every field set.
func (h *harness) row(token string) store.Row {
	return store.Row{
		Scope: h.scope, Token: token, RecordID: envelope.NewRecordID(), Status: store.Active,
		BIN: "41111111", LastFour: "1111", PANLength: 16, Network: "visa", Brand: "visa electron", Local: "carte bancaire", Funding: "debit",
		Expiry: 3112, Invalid: true, Verified: 3,
		Created: 1_700_000_000_123, Updated: 1_700_000_000_124, UpdatedBy: "shop/é",
		LastUsed: 1_700_000_000_125, Expires: 1<<62 + 7,
		Analytics: "analytics é", Scheme: store.Scheme{Status: 4, Expiry: 2912, PAR: "par é", Requestor: "shop-2"},
		Sealed: []store.Sealed{
			{Field: 1, Generation: 1<<63 + 5, Record: record(h.key)},
			{Field: 255, Generation: 0, Record: record(h.key)},
		},
		Index: []store.IndexValue{{Key: h.index, Value: digest()}},
		Order: "41111111-1111-16-" + token,
	}
}

// plainRow is a new token with no more than it must have.
func (h *harness) plainRow(token string) store.Row {
	return store.Row{Scope: h.scope, Token: token, RecordID: envelope.NewRecordID(), Status: store.Active}
}

// cardRow is a new token of the card with an index value.
func (h *harness) cardRow(token string, value [32]byte) store.Row {
	r := h.plainRow(token)
	r.Index = []store.IndexValue{{Key: h.index, Value: value}}
	return r
}

// next is the row as a write that replaces the stored one.
func next(r store.Row, version uint64) store.Row {
	r.Version = version
	return r
}

// deleted is the write that makes a tombstone of a token at a version.
func (h *harness) deleted(token string, version uint64) store.Write {
	return store.Write{Row: store.Row{Scope: h.scope, Token: token, Version: version, Status: store.Deleted}}
}

func writes(rows ...store.Row) []store.Write {
	w := make([]store.Write, len(rows))
	for i := range rows {
		w[i].Row = rows[i]
	}
	return w
}

// write expects the outcomes.
func (h *harness) write(w []store.Write, want ...store.Outcome) {
	h.Helper()
	got, err := h.c.Write(h.Context(), w, nil)
	h.noError(err, "Write")
	if !slices.Equal(got, want) {
		h.Fatalf("outcomes %s, want %s", show(got), show(want))
	}
}

// save expects each row to be written.
func (h *harness) save(rows ...store.Row) {
	h.Helper()
	h.write(writes(rows...), slices.Repeat([]store.Outcome{written}, len(rows))...)
}

var written = store.Outcome{Result: store.Written}

func show(list []store.Outcome) string {
	names := []string{"invalid", "Written", "CardExists", "TokenTaken", "Replayed", "Stale", "Fenced", "Outdated", "Spent"}
	var s []string
	for _, o := range list {
		name := fmt.Sprint(o.Result)
		if int(o.Result) < len(names) {
			name = names[o.Result]
		}
		s = append(s, fmt.Sprintf("%s(token %q, input %x, key %s)", name, o.Token, o.Input[:4], o.Key))
	}
	return fmt.Sprint(s)
}

// get returns a token's row.
func (h *harness) get(token string) store.Row {
	h.Helper()
	rows, err := h.c.Get(h.Context(), h.scope, []string{token})
	h.noError(err, "Get")
	if len(rows) != 1 {
		h.Fatalf("Get of one token returned %d rows", len(rows))
	}
	return rows[0]
}

// stored expects the row to be stored at a version.
func (h *harness) stored(r store.Row, version uint64) {
	h.Helper()
	r.Version = version
	h.sameRow(h.get(r.Token), r)
}

// absent expects the tokens not to exist.
func (h *harness) absent(tokens ...string) {
	h.Helper()
	for _, token := range tokens {
		if r := h.get(token); r.Version != 0 {
			h.Fatalf("token %q exists at version %d, want none", token, r.Version)
		}
	}
}

func (h *harness) sameRow(got, want store.Row) {
	h.Helper()
	if g, w := tidy(got), tidy(want); !reflect.DeepEqual(g, w) {
		h.Fatalf("row is\n%+v\nwant\n%+v", g, w)
	}
}

// tidy makes empty slices nil: the interface does not tell them apart.
func tidy(r store.Row) store.Row {
	if len(r.Sealed) == 0 {
		r.Sealed = nil
	}
	if len(r.Index) == 0 {
		r.Index = nil
	}
	return r
}

// holders expects the tokens that hold a value.
func (h *harness) holders(v store.IndexValue, want ...string) {
	h.Helper()
	lists, err := h.c.ByIndex(h.Context(), h.scope, []store.IndexValue{v})
	h.noError(err, "ByIndex")
	if len(lists) != 1 || !slices.Equal(lists[0], want) {
		h.Fatalf("ByIndex = %q, want %q", lists, want)
	}
	if len(want) == 0 && lists[0] != nil {
		h.Fatal("ByIndex returned an empty slice for none, want nil")
	}
}

// scanned lists the scope's rows after a token.
func (h *harness) scanned(scope store.ScopeID, after string) (rows []store.Row) {
	h.Helper()
	for r, err := range h.c.Scan(h.Context(), scope, after) {
		h.noError(err, "Scan")
		rows = append(rows, r)
	}
	return rows
}

func tokensOf(rows []store.Row) (list []string) {
	for _, r := range rows {
		list = append(list, r.Token)
	}
	return list
}

// column lists the ordered column under a prefix.
func (h *harness) column(prefix string) (list []string) {
	h.Helper()
	for order, err := range h.c.Ordered(h.Context(), h.scope, prefix) {
		h.noError(err, "Ordered")
		list = append(list, order)
	}
	return list
}

func (h *harness) count(key envelope.KeyID, want uint64) {
	h.Helper()
	n, err := h.c.CountByKey(h.Context(), key)
	h.noError(err, "CountByKey")
	if n != want {
		h.Fatalf("CountByKey = %d, want %d", n, want)
	}
}

func (h *harness) noError(err error, call string) {
	h.Helper()
	if err != nil {
		h.Fatalf("%s: %v", call, err)
	}
}

func (h *harness) equal(got, want []string, what string) {
	h.Helper()
	if !slices.Equal(got, want) {
		h.Fatalf("%s: got %q, want %q", what, got, want)
	}
}
