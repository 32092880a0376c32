package bolt_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// The files were written by the first version whose rows and repositories had
// that format, the third by the first that had security codes, and are never
// written again: what they hold, every later version reads. A new format gets a
// file of its own, made with -write-golden.
const goldenV1, goldenV2, goldenV3 = "testdata/v1.bolt", "testdata/v2.bolt", "testdata/v3.bolt"

var writeGolden = flag.String("write-golden", "", "write a golden file there, in the format of this version")

var goldenScope = store.ScopeID{1, 2, 3, 15: 0xff}

func goldenRecord(key envelope.KeyID, fill byte) []byte {
	rec := append([]byte{1, 1}, key[:]...)
	for len(rec) < 104 {
		rec = append(rec, fill)
	}
	return rec
}

// goldenRows are the rows as they are written; each is a new token.
func goldenRows() []store.Row {
	rows := goldenRowsV1()
	rows[1].Analytics = "analytics é"
	rows[1].Scheme = store.Scheme{Status: 2, Expiry: 2912, PAR: "par", Requestor: "m-2"}
	return rows
}

func goldenRowsV1() []store.Row {
	index := []store.IndexValue{{Key: envelope.KeyID{20}, Value: [32]byte{1}}, {Key: envelope.KeyID{21}, Value: [32]byte{31: 2}}}
	return []store.Row{
		{Scope: goldenScope, Token: "bare", RecordID: envelope.RecordID{1}, Status: store.Active},
		{
			Scope: goldenScope, Token: "full é", RecordID: envelope.RecordID{2, 15: 9}, Status: store.Suspended,
			BIN: "41111111", LastFour: "1111", PANLength: 16, Network: "visa", Brand: "visa electron", Local: "carte bancaire", Funding: "debit",
			Expiry: 3112, Invalid: true, Verified: 3, Created: 1_700_000_000_123, Updated: -1, UpdatedBy: "shop",
			LastUsed: 1 << 62, Expires: -1 << 63,
			Sealed: []store.Sealed{
				{Field: 1, Generation: 1<<63 + 1, Record: goldenRecord(envelope.KeyID{10}, 0xaa)},
				{Field: 200, Record: goldenRecord(envelope.KeyID{11}, 0xbb)},
			},
			Index: index, Order: "41111111\x00order",
		},
		{Scope: goldenScope, Token: "gone", RecordID: envelope.RecordID{3}, Status: store.Active, Order: "z", Index: index[:1]},
		{Scope: goldenScope, Token: "other", RecordID: envelope.RecordID{4}, Status: store.Active, Order: "41", Index: index[:1]},
	}
}

func goldenKeys() (keys.RingID, []keys.Record) {
	ring := keys.RingID{Environment: "production", Purpose: keys.PAN, Scope: "shop"}
	at := time.Unix(1_700_000_000, 0).UTC()
	return ring, []keys.Record{
		{ID: keys.KeyID{10}, Ring: ring, State: keys.Destroyed, Created: at, Changed: at.Add(time.Hour)},
		{ID: keys.KeyID{11}, Ring: ring, State: keys.Active, Created: at.Add(time.Second), Changed: at.Add(time.Second),
			Wrapped: []keys.Wrapping{{KEK: "local:1", Bytes: []byte{1, 2, 3}}, {KEK: "local:2", Bytes: []byte{4}}}},
	}
}

var goldenOnce = store.Once{Key: [32]byte{7}, Input: [32]byte{8}, Now: 1000, Until: 2000}

func TestWriteGolden(t *testing.T) {
	path := *writeGolden
	if path == "" {
		path = filepath.Join(t.TempDir(), "now.bolt") // and read it back below
	}
	f := newFile(t)
	db := f.open()
	c := db.Cards()
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(c.OpenFence(t.Context(), envelope.KeyID{10}))
	check(c.OpenFence(t.Context(), envelope.KeyID{11}))
	for i, row := range goldenRows() {
		w := store.Write{Row: row}
		if i == 0 {
			w.Once = &goldenOnce
		}
		_, err := c.Write(t.Context(), []store.Write{w}, &store.Job{ID: store.JobID{9}, State: []byte("row 4711")})
		check(err)
	}
	_, err := c.Write(t.Context(), []store.Write{{Row: store.Row{Scope: goldenScope, Token: "gone", Version: 1, Status: store.Deleted}}}, nil)
	check(err)
	check(c.CloseFence(t.Context(), envelope.KeyID{10}))
	_, err = c.CreateRepository(t.Context(), store.Repository{Scope: goldenScope, Name: "SHOP", Config: []byte(`{"a":1}`)})
	check(err)
	check(c.UpdateRepository(t.Context(), goldenRepository(1)))
	check(c.AssignMerchant(t.Context(), "m-1", goldenScope))
	codes := goldenCodes()
	check(db.Codes().PutCodes(t.Context(), codes))
	l := store.TryLimits{Tries: 2, Guesses: 9}
	for _, counter := range []uint16{217, 0, 217} {
		a, err := db.Codes().Attempt(t.Context(), codes[1].ID, counter, l, 0)
		check(err)
		check(db.Codes().Settle(t.Context(), codes[1].ID, a, counter == 0, l))
	}
	ring, records := goldenKeys()
	check(db.Keys().CompareAndSwap(t.Context(), ring, 0, records[1:]))
	check(db.Keys().CompareAndSwap(t.Context(), ring, 1, records[:1]))
	f.close()

	from, err := bbolt.Open(f.path, 0o600, &bbolt.Options{ReadOnly: true})
	check(err)
	to, err := bbolt.Open(path, 0o600, nil)
	check(err)
	check(errors.Join(bbolt.Compact(to, from, 0), to.Close(), from.Close()))
	readGolden(t, path, goldenRows(), goldenRepository(2), triedCodes())
}

// goldenCodes are the codes as they are put.
func goldenCodes() []store.Code {
	return []store.Code{
		{ID: store.CodeID{Scope: goldenScope}, RecordID: envelope.RecordID{5}, Token: "bare", Record: goldenRecord(envelope.KeyID{11}, 0xc1)},
		{
			ID:       store.CodeID{Scope: goldenScope, OwnerType: 255, Owner: "owner é", Card: [32]byte{1, 31: 2}},
			RecordID: envelope.RecordID{6, 15: 7}, Token: "full é", Record: goldenRecord(envelope.KeyID{11}, 0xc2),
			Created: -1, Expires: 1 << 62, Reads: 1 << 31,
		},
	}
}

// triedCodes are the codes after the attempts that were made.
func triedCodes() []store.Code {
	codes := goldenCodes()
	codes[1].Guesses = 2
	codes[1].Counters = []store.TryCounter{{ID: 0, Taken: 1, Base: 1}, {ID: 217, Taken: 2, Blocked: true}}
	return codes
}

// goldenRepository has an epoch that all later writes must name.
func goldenRepository(version uint64) store.Repository {
	return store.Repository{Scope: goldenScope, Name: "SHOP", Config: []byte(`{"a":1}`), State: []byte("s"), Epoch: 7, Version: version}
}

func TestGolden(t *testing.T) {
	readGolden(t, goldenV1, goldenRowsV1(), store.Repository{Scope: goldenScope, Name: "SHOP", Config: []byte(`{"a":1}`), Version: 1}, nil)
	readGolden(t, goldenV2, goldenRows(), goldenRepository(2), nil)
	readGolden(t, goldenV3, goldenRows(), goldenRepository(2), triedCodes())
}

func readGolden(t *testing.T, path string, want []store.Row, repository store.Repository, wantCodes []store.Code) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := newFile(t)
	if err := os.WriteFile(f.path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	db := f.open()
	c := db.Cards()
	for i := range want {
		want[i].Version = 1
	}
	want[2] = store.Row{Scope: goldenScope, Token: "gone", Version: 2, Status: store.Deleted, Order: "z"}
	var got []store.Row
	for row, err := range c.Scan(t.Context(), goldenScope, "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, row)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("rows are\n%+v\nwant\n%+v", got, want)
	}
	var column []string
	for order, err := range c.Ordered(t.Context(), goldenScope, "") {
		if err != nil {
			t.Fatal(err)
		}
		column = append(column, order)
	}
	if !slices.Equal(column, []string{"41", "41111111\x00order", "z"}) {
		t.Errorf("ordered column %q", column)
	}
	held, err := c.ByIndex(t.Context(), goldenScope, want[1].Index)
	if err != nil || !reflect.DeepEqual(held, [][]string{{"full é", "other"}, {"full é"}}) {
		t.Errorf("ByIndex = %q, %v", held, err)
	}
	var codes []store.Code
	for code, err := range db.Codes().ScanCodes(t.Context(), store.ScopeID{}) {
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	if !reflect.DeepEqual(codes, wantCodes) {
		t.Errorf("codes are\n%+v\nwant\n%+v", codes, wantCodes)
	}
	if err := db.Codes().EraseToken(t.Context(), goldenScope, "full é"); err != nil {
		t.Error(err)
	}
	if n, err := db.Codes().CountCodes(t.Context(), envelope.KeyID{11}); err != nil || n != uint64(len(wantCodes)/2) {
		t.Errorf("CountCodes = %d, %v", n, err)
	}
	ring, records := goldenKeys()
	list, version, err := db.Keys().List(t.Context(), ring)
	if err != nil || version != 2 || !reflect.DeepEqual(list, records) {
		t.Errorf("List = %+v at version %d, %v", list, version, err)
	}
	state, err := c.Job(t.Context(), store.JobID{9})
	if err != nil || string(state) != "row 4711" {
		t.Errorf("Job = %q, %v", state, err)
	}
	repositories, err := c.Repositories(t.Context())
	if err != nil || !reflect.DeepEqual(repositories, []store.Repository{repository}) {
		t.Errorf("Repositories = %+v, %v", repositories, err)
	}
	scope, err := c.MerchantScope(t.Context(), "m-1")
	if err != nil || scope != goldenScope {
		t.Errorf("MerchantScope = %x, %v", scope, err)
	}
	again := goldenOnce
	again.Now++
	closed := goldenRows()[1]
	closed.Token = "new"
	out, err := c.Write(t.Context(), []store.Write{
		{Row: store.Row{Scope: goldenScope, Token: "x", Status: store.Active}, Once: &again, Epoch: repository.Epoch},
		{Row: closed, Epoch: repository.Epoch},
	}, nil)
	wantOut := []store.Outcome{
		{Result: store.Replayed, Token: "bare", Input: goldenOnce.Input},
		{Result: store.Fenced, Key: envelope.KeyID{10}},
	}
	if err != nil || !slices.Equal(out, wantOut) {
		t.Errorf("outcomes %+v, %v; want %+v", out, err, wantOut)
	}
	// What came after the format's first files is taken by all.
	spend := []store.Write{{Row: store.Row{Scope: goldenScope, Token: "y", Status: store.Active},
		Spend: &store.Spend{Now: 1000, Until: 2000}, Epoch: repository.Epoch}}
	for _, want := range []store.Result{store.Written, store.Spent} {
		if out, err := c.Write(t.Context(), spend, nil); err != nil || out[0].Result != want {
			t.Errorf("outcomes %+v, %v; want %d", out, err, want)
		}
	}
}
