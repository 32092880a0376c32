package storetest

import (
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func codeRoundTrip(h *codes) {
	full := h.saved("owner é")
	h.stored(full)
	plain := h.code("")
	plain.ID.OwnerType, plain.ID.Card = 0, [32]byte{}
	plain.Created, plain.Expires, plain.Reads = 0, 0, 0
	h.put(plain)
	h.stored(plain)
	extreme := h.code("x")
	extreme.Created, extreme.Expires, extreme.Reads = math.MinInt64, math.MaxInt64, 1<<31
	h.put(extreme)
	h.stored(extreme)
	h.noError(h.c.PutCodes(h.Context(), nil), "PutCodes of none")
	h.stored(full)
}

// codeMissing: of a code that is not there every call says so or does nothing.
func codeMissing(h *codes) {
	other := h.saved("other")
	gone := h.code("gone")
	ctx := h.Context()
	h.absent(gone.ID)
	_, err := h.c.ReadCode(ctx, gone.ID, codeNow)
	h.is(err, store.ErrNotFound, "ReadCode")
	_, err = h.c.Attempt(ctx, gone.ID, 1, tries, codeNow)
	h.is(err, store.ErrNotFound, "Attempt")
	h.is(h.c.ResetTries(ctx, gone.ID, []uint16{1}, true, tries, codeNow), store.ErrNotFound, "ResetTries")
	h.is(h.c.ReplaceRecord(ctx, gone, record(h.key)), store.ErrConflict, "ReplaceRecord")
	a := store.Attempt{Result: store.TryTaken, Counter: 1, Number: 1, Code: gone}
	h.noError(h.c.Settle(ctx, gone.ID, a, false, tries), "Settle")
	h.noError(h.c.EraseCode(ctx, gone.ID), "EraseCode")
	h.noError(h.c.EraseToken(ctx, h.scope, gone.Token), "EraseToken")
	h.absent(gone.ID)
	h.stored(other)
}

// neighbours are IDs that differ from one in one field each.
func neighbours(id store.CodeID) []store.CodeID {
	list := []store.CodeID{id, id, id, id, id}
	list[0].Scope[15] ^= 1
	list[1].OwnerType--
	list[2].Owner += "x"
	list[3].Owner = id.Owner[:len(id.Owner)-1]
	list[4].Card[31] ^= 1
	return list
}

// codesApart: another scope, owner or card is another code, whatever is done to
// the one.
func codesApart(h *codes) {
	mine := h.saved("owner")
	for _, id := range neighbours(mine.ID) {
		h.absent(id)
	}
	var others []store.Code
	for _, id := range neighbours(mine.ID) {
		c := h.code("owner")
		c.ID, c.Token = id, mine.Token
		others = append(others, c)
	}
	h.put(others...)
	h.stored(mine)
	h.tried(mine.ID, 1, false, 1, 2, 3)
	_, err := h.c.ReadCode(h.Context(), mine.ID, codeNow)
	h.noError(err, "ReadCode")
	h.noError(h.c.ResetTries(h.Context(), mine.ID, []uint16{1}, true, tries, codeNow), "ResetTries")
	mine, err = h.c.Code(h.Context(), mine.ID, codeNow)
	h.noError(err, "Code")
	h.noError(h.c.ReplaceRecord(h.Context(), mine, record(h.key)), "ReplaceRecord")
	h.noError(h.c.EraseCode(h.Context(), mine.ID), "EraseCode")
	h.absent(mine.ID)
	for _, c := range others {
		h.stored(c)
	}
}

// codeExpiry: a code is there until its time, and at its time no more.
func codeExpiry(h *codes) {
	c := h.saved("a")
	never := h.code("never")
	never.Expires = 0
	h.put(never)
	ctx := h.Context()
	for _, now := range []int64{math.MinInt64, 0, codeExpires - 1} {
		_, err := h.c.Code(ctx, c.ID, now)
		h.noError(err, "Code")
	}
	_, err := h.c.Attempt(ctx, c.ID, 1, tries, codeExpires-1)
	h.noError(err, "Attempt")
	read, err := h.c.ReadCode(ctx, c.ID, codeExpires-1)
	h.noError(err, "ReadCode")
	h.noError(h.c.ResetTries(ctx, c.ID, []uint16{1}, true, tries, codeExpires-1), "ResetTries")
	for _, now := range []int64{codeExpires, codeExpires + 1, math.MaxInt64} {
		_, err := h.c.Code(ctx, c.ID, now)
		h.is(err, store.ErrNotFound, "Code")
		_, err = h.c.ReadCode(ctx, c.ID, now)
		h.is(err, store.ErrNotFound, "ReadCode")
		_, err = h.c.Attempt(ctx, c.ID, 1, tries, now)
		h.is(err, store.ErrNotFound, "Attempt")
		h.is(h.c.ResetTries(ctx, c.ID, []uint16{1}, true, tries, now), store.ErrNotFound, "ResetTries")
	}
	// What was refused counted nothing.
	read.Reads--
	read.Counters = []store.TryCounter{{ID: 1, Taken: 1, Base: 1}}
	h.stored(read)
	_, err = h.c.Code(ctx, never.ID, math.MaxInt64)
	h.noError(err, "Code")
}

// codeReplaced: a code that is put again begins anew.
func codeReplaced(h *codes) {
	c := h.saved("a")
	h.tried(c.ID, 7, false, 1, 2, 3)
	h.attempt(c.ID, 7, tries, store.TryBlocked, 0)
	h.attempt(c.ID, 8, store.TryLimits{Tries: 3, Guesses: 3}, store.TryCapped, 0)
	again := h.code("a")
	again.ID, again.Token, again.Reads = c.ID, "another token", 2
	h.put(again)
	h.stored(again)
	h.count(h.key, 1)
	h.attempt(c.ID, 7, tries, store.TryTaken, 1)
	// The token it was stored through before is no longer its own.
	h.noError(h.c.EraseToken(h.Context(), h.scope, c.Token), "EraseToken")
	h.counters(c.ID, 1, store.TryCounter{ID: 7, Taken: 1})
	h.noError(h.c.EraseToken(h.Context(), h.scope, again.Token), "EraseToken")
	h.absent(c.ID)
}

func codesAllOrNone(h *codes) {
	old := h.saved("old")
	h.tried(old.ID, 1, false, 1)
	old.Guesses, old.Counters = 1, []store.TryCounter{{ID: 1, Taken: 1}}
	again, fenced := h.code("old"), h.code("fenced")
	again.ID, fenced.Record = old.ID, record(envelope.NewKeyID())
	first, last := h.code("first"), h.code("last")
	err := h.c.PutCodes(h.Context(), []store.Code{first, again, fenced, last})
	h.is(err, store.ErrFenced, "PutCodes")
	h.absent(first.ID, fenced.ID, last.ID)
	h.stored(old)
	bad := h.code("bad")
	bad.Token = ""
	h.invalid(h.c.PutCodes(h.Context(), []store.Code{first, again, bad}), "PutCodes")
	h.absent(first.ID)
	h.stored(old)
	h.count(h.key, 1)
}

// codeTwiceInOneCall: in order, so that the later one stays.
func codeTwiceInOneCall(h *codes) {
	a, b, c := h.code("a"), h.code("b"), h.code("c")
	other := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), other), "OpenFence")
	c.ID, c.Record = a.ID, record(other)
	h.put(a, b, c)
	h.stored(b)
	h.stored(c)
	h.count(h.key, 1)
	h.count(other, 1)
	// One that does not stay is no less refused.
	a.Record = record(envelope.NewKeyID())
	h.is(h.c.PutCodes(h.Context(), []store.Code{a, c}), store.ErrFenced, "PutCodes")
	h.stored(c)
}

func codesBigPut(h *codes) {
	list := make([]store.Code, 3000)
	for i := range list {
		list[i] = h.code(fmt.Sprint(i))
	}
	h.put(list...)
	for _, i := range []int{0, 1499, 2999} {
		h.stored(list[i])
	}
	h.count(h.key, 3000)
}

// codePutRace: callers who put the same codes in one call, in another order each,
// leave one caller's of them all.
func codePutRace(h *codes) {
	const callers, n = 16, 12
	ids := make([]store.CodeID, n)
	for i := range ids {
		ids[i] = h.code(fmt.Sprint(i)).ID
	}
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			list := make([]store.Code, n)
			for i := range list {
				list[i] = h.code("")
				list[i].ID, list[i].Token = ids[(i+g)%n], fmt.Sprint(g)
			}
			if g%2 == 0 {
				slices.Reverse(list)
			}
			if err := h.c.PutCodes(h.Context(), list); err != nil {
				h.Errorf("PutCodes: %v", err)
			}
		})
	}
	wg.Wait()
	winner := ""
	for _, id := range ids {
		c, err := h.c.Code(h.Context(), id, codeNow)
		h.noError(err, "Code")
		if winner == "" {
			winner = c.Token
		}
		if c.Token != winner {
			h.Fatalf("codes of callers %s and %s", winner, c.Token)
		}
	}
	h.count(h.key, n)
}
