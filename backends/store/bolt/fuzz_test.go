package bolt

import (
	"bytes"
	"math"
	"testing"
	"time"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/keys"
	"github.com/cardseal/cardseal/tokenize/store"
)

// What can be decoded has one encoding only; nothing panics, and no damaged
// number takes memory.

func fullRow() store.Row {
	rec := append([]byte{1, 1}, make([]byte, 100)...)
	return store.Row{
		Token: "t", Version: 300, RecordID: envelope.RecordID{1, 2}, Status: store.Suspended, BIN: "41111111",
		LastFour: "1111", PANLength: 16, Network: "visa", Brand: "b", Local: "l", Funding: "f", Expiry: 3112, Invalid: true, Verified: 2,
		Created: math.MinInt64, Updated: -1, UpdatedBy: "shop", LastUsed: math.MaxInt64, Expires: 1,
		Sealed: []store.Sealed{{Field: 1, Generation: math.MaxUint64, Record: rec}, {Field: 2, Record: rec}},
		Index:  []store.IndexValue{{Key: envelope.KeyID{3}, Value: [32]byte{4}}, {Key: envelope.KeyID{5}}},
		Order:  "o\x00",
	}
}

func FuzzRow(f *testing.F) {
	full := fullRow()
	f.Add(appendRow(nil, &full))
	f.Add(appendRow(nil, &store.Row{Version: 1, Status: store.Active}))
	f.Add(append([]byte{1}, appendRow(nil, &store.Row{Version: 1, Status: store.Deleted})[1:]...))
	f.Add(appendRow(nil, &store.Row{Version: 1, Status: store.Deleted, Order: "o"}))
	f.Fuzz(func(t *testing.T, value []byte) {
		counted, countErr := sealedUnder(value, envelope.KeyID{})
		row, err := decodeRow(store.ScopeID{}, []byte("t"), value)
		if err != nil {
			return
		}
		if again := appendRow(nil, &row); value[0] == rowFormat && !bytes.Equal(again, value) {
			t.Fatalf("%x decodes, and encodes as %x", value, again)
		}
		var want uint64
		for _, s := range row.Sealed {
			if id, ok := envelope.StoredKeyID(s.Record); ok && id.IsZero() {
				want++
			}
		}
		if countErr != nil || counted != want {
			t.Fatalf("sealedUnder = %d, %v; want %d", counted, countErr, want)
		}
	})
}

func FuzzCall(f *testing.F) {
	f.Add(appendCall(nil, &call{token: "t", input: [32]byte{1}, until: -5}))
	f.Fuzz(func(t *testing.T, value []byte) {
		c, err := decodeCall(value)
		if err == nil && !bytes.Equal(appendCall(nil, &c), value) {
			t.Fatalf("%x has a second encoding", value)
		}
	})
}

func FuzzCode(f *testing.F) {
	rec := append([]byte{1, 1}, make([]byte, 100)...)
	full := store.Code{
		ID:       store.CodeID{Scope: store.ScopeID{1}, OwnerType: 2, Owner: "o", Card: [32]byte{3}},
		RecordID: envelope.RecordID{1}, Token: "t", Record: rec, Created: -1, Expires: math.MaxInt64, Reads: 1 << 31, Guesses: 7,
		Counters: []store.TryCounter{{ID: 1, Taken: 300, Base: 2, Blocked: true}, {ID: 217, Taken: 1}},
	}
	key := appendCodeKey(nil, &full.ID)
	f.Add(key, appendCode(nil, &full))
	f.Add(key[:scopeSize+1+32], appendCode(nil, &store.Code{Token: "t", Record: rec}))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		c, err := decodeCode(key, value)
		if err == nil && (!bytes.Equal(appendCode(nil, &c), value) || !bytes.Equal(appendCodeKey(nil, &c.ID), key)) {
			t.Fatalf("%x has a second encoding", value)
		}
	})
}

func FuzzSpent(f *testing.F) {
	f.Add(appendSpent(nil, -7))
	f.Fuzz(func(t *testing.T, value []byte) {
		until, err := decodeSpent(value)
		if err == nil && !bytes.Equal(appendSpent(nil, until), value) {
			t.Fatal("a spent message has two encodings")
		}
	})
}

func FuzzCaptureKey(f *testing.F) {
	f.Add(appendCaptureKey(nil, &store.CaptureKey{Created: time.Unix(1, 0), Retires: time.Unix(1<<40, 0), Sealed: []byte("sealed")}))
	f.Fuzz(func(t *testing.T, value []byte) {
		var k store.CaptureKey
		err := decodeCaptureKey(&k, value)
		if err == nil && !bytes.Equal(appendCaptureKey(nil, &k), value) {
			t.Fatal("a capture key has two encodings")
		}
	})
}

func FuzzKeys(f *testing.F) {
	id := keys.RingID{Environment: "e", Purpose: keys.PAN, Scope: "s"}
	f.Add(appendRecord(nil, &keys.Record{Ring: id, State: keys.Active, Created: time.Unix(1, 0), Wrapped: []keys.Wrapping{{KEK: "k", Bytes: []byte{1}}}}))
	f.Add(appendRing(nil, &id, &ring{version: 1, ids: []keys.KeyID{{1}, {2}}}))
	f.Fuzz(func(t *testing.T, value []byte) {
		if r, err := decodeRecord(keys.KeyID{1}, value); err == nil && !bytes.Equal(appendRecord(nil, &r), value) {
			t.Fatalf("%x has a second encoding as a record", value)
		}
		if r, err := decodeRing(&id, value); err == nil && !bytes.Equal(appendRing(nil, &id, &r), value) {
			t.Fatalf("%x has a second encoding as a ring", value)
		}
	})
}

// FuzzOrder compares keys as the file sorts them with the columns themselves.
func FuzzOrder(f *testing.F) {
	f.Add("a", "b", "a\x00", "")
	f.Add("", "\x01", "\x00\x00", "\xff")
	f.Fuzz(func(t *testing.T, order1, token1, order2, token2 string) {
		var scope store.ScopeID
		a, b := appendOrderKey(nil, &scope, order1, token1), appendOrderKey(nil, &scope, order2, token2)
		got, err := orderOf(a[scopeSize:])
		if err != nil || got != order1 {
			t.Fatalf("%q reads as %q, %v", order1, got, err)
		}
		want := bytes.Compare([]byte(order1), []byte(order2))
		if want == 0 {
			want = bytes.Compare([]byte(token1), []byte(token2))
		}
		if bytes.Compare(a, b) != want {
			t.Fatalf("%q %q sorts wrongly beside %q %q", order1, token1, order2, token2)
		}
		prefix := appendOrderPrefix(nil, &scope, order2)
		if bytes.HasPrefix(a, prefix) != bytes.HasPrefix([]byte(order1), []byte(order2)) {
			t.Fatalf("prefix %q is wrong about %q", order2, order1)
		}
	})
}

func TestRowRoundTrip(t *testing.T) {
	full := fullRow()
	value := appendRow(nil, &full)
	for n := range value {
		if _, err := decodeRow(store.ScopeID{}, []byte("t"), value[:n]); err == nil {
			t.Fatalf("a row cut to %d of %d bytes decodes", n, len(value))
		}
	}
	if _, err := decodeRow(store.ScopeID{}, []byte("t"), append(value, 0)); err == nil {
		t.Fatal("a row with a byte too many decodes")
	}
	// Version 1 in two bytes where one will do.
	if _, err := decodeRow(store.ScopeID{}, []byte("t"), []byte{rowFormat, byte(store.Deleted), 0x81, 0, 0}); err == nil {
		t.Fatal("a number that is longer than it must be decodes")
	}
}
