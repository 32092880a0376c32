package storetest

import (
	"errors"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// RunCodes tries a store of security codes. It calls open for an empty store many
// times; open closes what it opened with t.Cleanup. What a closed one answers is
// [RunCodesClosed]'s, what one adds that outlives its process [RunCodesDurable]'s.
//
// As [Run] does it expects an [store.InvalidError] for what could never be stored, and
// uses UTF-8 without a zero byte for owners and tokens. Where a replaced record's key
// has no open fence that is told before a conflict.
func RunCodes(t *testing.T, open func(t *testing.T) store.Codes) {
	cases := []struct {
		name string
		run  func(h *codes)
	}{
		{"RoundTrip", codeRoundTrip},
		{"Missing", codeMissing},
		{"Apart", codesApart},
		{"Expiry", codeExpiry},
		{"Replaced", codeReplaced},
		{"AllOrNone", codesAllOrNone},
		{"TwiceInOneCall", codeTwiceInOneCall},
		{"BigPut", codesBigPut},
		{"Invalid", codesInvalid},
		{"LongestNames", codeLongestNames},
		{"Fences", codeFences},
		{"FenceRace", codeFenceRace},
		{"Count", codesCount},
		{"Reads", codeReads},
		{"ReadRace", codeReadRace},
		{"Tries", codeTries},
		{"TriesCapped", codeTriesCapped},
		{"TriesAtTheCapAndTheLimit", codeTriesBoth},
		{"Counters", codeCounters},
		{"LateSettle", codeLateSettle},
		{"SettleReplaced", codeSettleReplaced},
		{"Reset", codeReset},
		{"WrongRace", codeWrongRace},
		{"CapRace", codeCapRace},
		{"TryRace", codeTryRace},
		{"ResetRace", codeResetRace},
		{"ReplaceRecord", codeReplaceRecord},
		{"ReplaceRecordRace", codeReplaceRecordRace},
		{"PutRace", codePutRace},
		{"Erase", codeErase},
		{"EraseToken", codeEraseToken},
		{"Sweep", codesSweep},
		{"SweepRace", codesSweepRace},
		{"Scan", codesScan},
		{"ScanWhileWriting", codesScanWhileWriting},
		{"NoAlias", codesNoAlias},
		{"Cancelled", codesCancelled},
		{"Model", codesModel},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.run(newCodes(t, open(t))) })
	}
}

// codes is one store under test and the scope and data key most tests need.
type codes struct {
	*testing.T
	c     store.Codes
	scope store.ScopeID
	key   envelope.KeyID // its fence is open
}

func newCodes(t *testing.T, c store.Codes) *codes {
	h := &codes{T: t, c: c, scope: newScope(), key: envelope.NewKeyID()}
	h.noError(c.OpenFence(t.Context(), h.key), "OpenFence")
	return h
}

// The time of most calls, and when most codes expire.
const (
	codeNow     = 1_700_000_000_000
	codeExpires = codeNow + 1000
)

// limits of most tests.
var tries = store.TryLimits{Tries: 3, Guesses: 10}

// code is a new one with every field set that may be.
func (h *codes) code(owner string) store.Code {
	return store.Code{
		ID:       store.CodeID{Scope: h.scope, OwnerType: 255, Owner: owner, Card: digest()},
		RecordID: envelope.NewRecordID(), Token: "token of " + owner, Record: record(h.key),
		Created: codeNow - 1, Expires: codeExpires, Reads: math.MaxUint32,
	}
}

// put expects the codes to be stored.
func (h *codes) put(list ...store.Code) {
	h.Helper()
	h.noError(h.c.PutCodes(h.Context(), list), "PutCodes")
}

// saved is a new code that is stored.
func (h *codes) saved(owner string) store.Code {
	h.Helper()
	c := h.code(owner)
	h.put(c)
	return c
}

// stored expects the code to be there as it is given.
func (h *codes) stored(want store.Code) {
	h.Helper()
	got, err := h.c.Code(h.Context(), want.ID, codeNow)
	h.noError(err, "Code")
	h.sameCode(got, want)
}

func (h *codes) sameCode(got, want store.Code) {
	h.Helper()
	if len(got.Counters) == 0 {
		got.Counters = nil // the interface does not tell them apart
	}
	if len(want.Counters) == 0 {
		want.Counters = nil
	}
	if !reflect.DeepEqual(got, want) {
		h.Fatalf("code is\n%+v\nwant\n%+v", got, want)
	}
}

// absent expects the codes not to be there.
func (h *codes) absent(ids ...store.CodeID) {
	h.Helper()
	for _, id := range ids {
		_, err := h.c.Code(h.Context(), id, codeNow)
		h.is(err, store.ErrNotFound, "Code")
	}
}

// attempt expects a result of an attempt at a counter, and the number taken.
func (h *codes) attempt(id store.CodeID, counter uint16, l store.TryLimits, want store.TryResult, number uint64) store.Attempt {
	h.Helper()
	a, err := h.c.Attempt(h.Context(), id, counter, l, codeNow)
	h.noError(err, "Attempt")
	if a.Result != want || a.Number != number || a.Counter != counter {
		h.Fatalf("attempt at counter %d: result %d, counter %d, number %d; want result %d, number %d",
			counter, a.Result, a.Counter, a.Number, want, number)
	}
	stored, err := h.c.Code(h.Context(), id, codeNow)
	h.noError(err, "Code")
	if want != store.TryTaken {
		if len(a.Code.Record) != 0 {
			h.Fatal("a refused attempt hands out the record")
		}
		a.Code.Record, stored.Record = nil, nil
	}
	h.sameCode(a.Code, stored)
	return a
}

func (h *codes) settle(a store.Attempt, right bool) {
	h.Helper()
	h.noError(h.c.Settle(h.Context(), a.Code.ID, a, right, tries), "Settle")
}

// tried makes attempts that are settled at once.
func (h *codes) tried(id store.CodeID, counter uint16, right bool, numbers ...uint64) {
	h.Helper()
	for _, n := range numbers {
		h.settle(h.attempt(id, counter, tries, store.TryTaken, n), right)
	}
}

// counters expects the code's guesses and counters.
func (h *codes) counters(id store.CodeID, guesses uint32, want ...store.TryCounter) {
	h.Helper()
	c, err := h.c.Code(h.Context(), id, codeNow)
	h.noError(err, "Code")
	if c.Guesses != guesses || !slices.Equal(c.Counters, want) {
		h.Fatalf("%d guesses, counters %+v; want %d and %+v", c.Guesses, c.Counters, guesses, want)
	}
}

// scanned lists the codes of a scope, by ID.
func (h *codes) scanned(scope store.ScopeID) map[store.CodeID]store.Code {
	h.Helper()
	found := map[store.CodeID]store.Code{}
	for c, err := range h.c.ScanCodes(h.Context(), scope) {
		h.noError(err, "ScanCodes")
		if _, twice := found[c.ID]; twice {
			h.Fatalf("scan yields the code of owner %q twice", c.ID.Owner)
		}
		found[c.ID] = c
	}
	return found
}

func (h *codes) count(key envelope.KeyID, want uint64) {
	h.Helper()
	n, err := h.c.CountCodes(h.Context(), key)
	h.noError(err, "CountCodes")
	if n != want {
		h.Fatalf("CountCodes = %d, want %d", n, want)
	}
}

func (h *codes) sweep(now int64, limit, want int) {
	h.Helper()
	n, err := h.c.SweepCodes(h.Context(), now, limit)
	h.noError(err, "SweepCodes")
	if n != want {
		h.Fatalf("SweepCodes removed %d, want %d", n, want)
	}
}

func (h *codes) noError(err error, call string) {
	h.Helper()
	if err != nil {
		h.Fatalf("%s: %v", call, err)
	}
}

func (h *codes) is(err, want error, call string) {
	h.Helper()
	if !errors.Is(err, want) {
		h.Fatalf("%s: %v, want %v", call, err, want)
	}
}
