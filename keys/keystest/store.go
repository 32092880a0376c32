package keystest

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/cardseal/cardseal/keys"
)

// RunStore is the conformance suite of a key store: every promise of
// [keys.Store]. It calls open for an empty store many times; open closes what
// it opened with t.Cleanup.
//
// Beyond the interface's words it expects an error, and no change, for a record
// without ID or state, for one given twice in a call and for one whose ID
// belongs to another ring.
func RunStore(t *testing.T, open func(t *testing.T) keys.Store) {
	cases := []struct {
		name string
		run  func(h *storeHarness)
	}{
		{"RoundTrip", storeRoundTrip},
		{"Missing", storeMissing},
		{"Versions", storeVersions},
		{"Replace", storeReplace},
		{"ListOrder", storeListOrder},
		{"RingsApart", storeRingsApart},
		{"Conflict", storeConflict},
		{"Refused", storeRefused},
		{"EmptyPut", storeEmptyPut},
		{"NoAlias", storeNoAlias},
		{"Cancelled", storeCancelled},
		{"SwapRace", storeSwapRace},
		{"SwapLoop", storeSwapLoop},
		{"ReadersSeeWholeSwaps", storeReaders},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(&storeHarness{T: t, s: open(t)}) })
	}
}

// RunStoreClosed tries a key store that was closed: every call answers
// [keys.ErrClosed].
func RunStoreClosed(t *testing.T, closed keys.Store) {
	h := &storeHarness{T: t, s: closed}
	h.failing(t.Context(), keys.ErrClosed)
}

// RunStoreDurable tries a key store that outlives its process. create makes an
// empty one and returns a function that opens it; each call of that function
// closes what the one before it opened.
func RunStoreDurable(t *testing.T, create func(t *testing.T) (reopen func() keys.Store)) {
	reopen := create(t)
	h := &storeHarness{T: t, s: reopen()}
	first, second := h.record(testRing, keys.Active), h.record(testRing, keys.Retired)
	h.swap(testRing, 0, first)
	h.swap(testRing, 1, second)
	first.State, first.Wrapped = keys.Destroyed, nil
	h.swap(testRing, 2, first)
	for range 2 {
		h.s = reopen()
		h.lists(testRing, 3, first, second)
		h.got(first)
		h.got(second)
	}
	if err := h.s.CompareAndSwap(t.Context(), testRing, 2, nil); !errors.Is(err, keys.ErrConflict) {
		t.Fatalf("swap at an old version: %v, want ErrConflict", err)
	}
	h.swap(testRing, 3)
}

var testRing = keys.RingID{Environment: "production", Purpose: keys.PAN}

// storeHarness is one store under test. Records it makes are created a second
// after each other.
type storeHarness struct {
	*testing.T
	s    keys.Store
	made int64
}

func (h *storeHarness) record(ring keys.RingID, state keys.State) keys.Record {
	h.made++
	return keys.Record{
		ID:      newKeyID(),
		Ring:    ring,
		State:   state,
		Created: time.Unix(1_700_000_000+h.made, 0).UTC(),
		Changed: time.Unix(1_800_000_000+h.made, 0).UTC(),
		Wrapped: []keys.Wrapping{
			{KEK: "aws-kms:arn:aws:kms:eu-central-1:1:key/é", Bytes: bytes.Repeat([]byte{0, 0xff}, 100)},
			{KEK: "local:2", Bytes: []byte{byte(h.made)}},
		},
	}
}

func (h *storeHarness) swap(ring keys.RingID, version uint64, put ...keys.Record) {
	h.Helper()
	if err := h.s.CompareAndSwap(h.Context(), ring, version, put); err != nil {
		h.Fatalf("CompareAndSwap at version %d: %v", version, err)
	}
}

func (h *storeHarness) got(want keys.Record) {
	h.Helper()
	r, err := h.s.Get(h.Context(), want.ID)
	if err != nil {
		h.Fatalf("Get: %v", err)
	}
	h.same(r, want)
}

func (h *storeHarness) same(got, want keys.Record) {
	h.Helper()
	if len(got.Wrapped) == 0 && len(want.Wrapped) == 0 {
		got.Wrapped, want.Wrapped = nil, nil
	}
	if !reflect.DeepEqual(got, want) {
		h.Fatalf("record is\n%+v\nwant\n%+v", got, want)
	}
}

func (h *storeHarness) lists(ring keys.RingID, version uint64, want ...keys.Record) {
	h.Helper()
	list, v, err := h.s.List(h.Context(), ring)
	if err != nil {
		h.Fatalf("List: %v", err)
	}
	if v != version || len(list) != len(want) {
		h.Fatalf("List: %d records at version %d, want %d at %d", len(list), v, len(want), version)
	}
	for i := range want {
		h.same(list[i], want[i])
	}
}

func (h *storeHarness) missing(id keys.KeyID) {
	h.Helper()
	if _, err := h.s.Get(h.Context(), id); !errors.Is(err, keys.ErrNotFound) {
		h.Fatalf("Get: %v, want ErrNotFound", err)
	}
}

// failing expects every call to fail with an error.
func (h *storeHarness) failing(ctx context.Context, want error) {
	h.Helper()
	_, get := h.s.Get(ctx, newKeyID())
	_, _, list := h.s.List(ctx, testRing)
	swap := h.s.CompareAndSwap(ctx, testRing, 0, []keys.Record{h.record(testRing, keys.Active)})
	for name, err := range map[string]error{"Get": get, "List": list, "CompareAndSwap": swap} {
		if !errors.Is(err, want) {
			h.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}

func storeRoundTrip(h *storeHarness) {
	for i, state := range []keys.State{keys.Active, keys.Retired, keys.Disabled, keys.Destroyed} {
		ring := testRing
		ring.Purpose = []keys.Purpose{keys.PAN, keys.CVC, keys.Index, "x-own"}[i]
		r := h.record(ring, state)
		h.swap(ring, 0, r)
		h.got(r)
		h.lists(ring, 1, r)
	}
	bare := h.record(keys.RingID{Environment: "test", Purpose: keys.Audit, Scope: "shop-é"}, keys.Destroyed)
	bare.Wrapped = nil
	bare.Created, bare.Changed = time.Unix(0, 0).UTC(), time.Unix(1<<40, 0).UTC()
	h.swap(bare.Ring, 0, bare)
	h.got(bare)
	large := h.record(testRing, keys.Active)
	large.Wrapped = slices.Repeat([]keys.Wrapping{{KEK: "k", Bytes: make([]byte, 4096)}}, 10)
	h.swap(testRing, 1, large)
	h.got(large)
}

func storeMissing(h *storeHarness) {
	h.missing(newKeyID())
	h.missing(keys.KeyID{})
	h.lists(testRing, 0)
	h.lists(keys.RingID{}, 0)
	r := h.record(testRing, keys.Active)
	h.swap(testRing, 0, r)
	near := r.ID
	near[15] ^= 1
	h.missing(near)
}

func storeVersions(h *storeHarness) {
	var all []keys.Record
	for v := range uint64(30) {
		r := h.record(testRing, keys.Retired)
		h.swap(testRing, v, r)
		all = append(all, r)
		h.lists(testRing, v+1, all...)
	}
}

func storeReplace(h *storeHarness) {
	a, b, c := h.record(testRing, keys.Active), h.record(testRing, keys.Retired), h.record(testRing, keys.Active)
	h.swap(testRing, 0, a, b)
	a.State, a.Changed = keys.Retired, a.Changed.Add(time.Hour)
	a.Wrapped = a.Wrapped[:1]
	h.swap(testRing, 1, c, a) // new and old in one step
	h.lists(testRing, 2, a, b, c)
	h.got(a)
	a.State, a.Wrapped = keys.Destroyed, nil
	h.swap(testRing, 2, a)
	h.got(a)
	h.lists(testRing, 3, a, b, c)
	b.Wrapped = append(b.Wrapped, keys.Wrapping{KEK: "another", Bytes: []byte{1}}) // a rewrap adds one
	b.Wrapped[0].Bytes = bytes.Repeat([]byte{7}, 4000)
	h.swap(testRing, 3, b)
	h.got(b)
	h.lists(testRing, 4, a, b, c)
}

func storeListOrder(h *storeHarness) {
	var all []keys.Record
	for i := range 12 {
		r := h.record(testRing, keys.Retired)
		r.Created = time.Unix(int64(1000+i/4), 0).UTC() // four of an age: the ID decides
		all = append(all, r)
	}
	for v, i := range []int{7, 0, 11, 4, 3, 9, 1, 10, 2, 8, 5, 6} {
		h.swap(testRing, uint64(v), all[i])
	}
	slices.SortFunc(all, func(a, b keys.Record) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return bytes.Compare(a.ID[:], b.ID[:])
	})
	h.lists(testRing, 12, all...)
}

// storeRingsApart: names that would be the same if they were joined.
func storeRingsApart(h *storeHarness) {
	rings := []keys.RingID{
		{Environment: "ab", Purpose: "x-c", Scope: "d"},
		{Environment: "a", Purpose: "bx-c", Scope: "d"},
		{Environment: "ab", Purpose: "x-cd"},
		{Environment: "ab", Purpose: "x-c", Scope: "d/"},
		{Environment: "ab/x-c", Scope: "d"},
		{Environment: "AB", Purpose: "x-c", Scope: "d"},
		{Environment: "ab", Purpose: "x-c", Scope: "d "},
	}
	records := make([]keys.Record, len(rings))
	for i, ring := range rings {
		records[i] = h.record(ring, keys.Active)
		h.swap(ring, 0, records[i])
	}
	for i, ring := range rings {
		h.lists(ring, 1, records[i])
	}
	h.swap(rings[0], 1)
	h.lists(rings[0], 2, records[0])
	h.lists(rings[1], 1, records[1])
}
