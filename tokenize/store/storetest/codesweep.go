package storetest

import (
	"fmt"
	"math"
	"strings"
	"sync/atomic"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func codesCount(h *codes) {
	other := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), other), "OpenFence")
	h.count(other, 0)
	under := func(owner string, key envelope.KeyID) store.Code {
		c := h.code(owner)
		c.Record = record(key)
		return c
	}
	a, b, c, d := under("a", h.key), under("b", other), under("c", other), under("d", other)
	b.ID.Scope = newScope() // over all scopes
	c.Reads, d.Expires = 1, 1
	h.put(a, b, c, d)
	h.count(h.key, 1)
	h.count(other, 3) // what expired and was not swept counts
	again := under("a", other)
	again.ID = a.ID
	h.put(again)
	h.count(h.key, 0)
	h.count(other, 4)
	h.noError(h.c.ReplaceRecord(h.Context(), again, record(h.key)), "ReplaceRecord")
	h.count(h.key, 1)
	h.count(other, 3)
	_, err := h.c.ReadCode(h.Context(), c.ID, codeNow) // the last read
	h.noError(err, "ReadCode")
	h.count(other, 2)
	h.sweep(codeNow, 10, 1)
	h.count(other, 1)
	h.noError(h.c.EraseCode(h.Context(), b.ID), "EraseCode")
	h.count(other, 0)
	h.count(envelope.NewKeyID(), 0)
}

func codeErase(h *codes) {
	a, b := h.saved("a"), h.saved("b")
	h.noError(h.c.EraseCode(h.Context(), a.ID), "EraseCode")
	h.absent(a.ID)
	h.stored(b)
	h.put(a)
	h.stored(a)
}

// codeEraseToken: all codes of a token, of whatever owner, and no other's.
func codeEraseToken(h *codes) {
	var mine, others []store.Code
	for i := range 40 {
		c := h.code(fmt.Sprint(i))
		c.Token = "t"
		if i%2 == 0 {
			c.Expires = 1
		}
		mine = append(mine, c)
	}
	for i, token := range []string{"t ", "T", "", "tt"} {
		c := h.code(fmt.Sprint("o", i))
		if c.Token = token; token == "" {
			c.Token, c.ID.Scope = "t", newScope() // another scope's token of that name
		}
		others = append(others, c)
	}
	h.put(mine...)
	h.put(others...)
	h.noError(h.c.EraseToken(h.Context(), h.scope, "t"), "EraseToken")
	for _, c := range mine {
		h.absent(c.ID)
	}
	for _, c := range others {
		h.stored(c)
	}
	h.count(h.key, uint64(len(others)))
	h.noError(h.c.EraseToken(h.Context(), h.scope, strings.Repeat("t", store.MaxName+1)), "EraseToken of what no token is")
}

func codesSweep(h *codes) {
	var never, later []store.Code
	for i := range 30 {
		c := h.code(fmt.Sprint(i))
		c.Expires = codeNow - int64(i)%5
		h.put(c)
	}
	for i := range 5 {
		c := h.code(fmt.Sprint("later", i))
		c.Expires = codeNow + 1
		later = append(later, c)
		c = h.code(fmt.Sprint("never", i))
		c.Expires = 0
		never = append(never, c)
	}
	h.put(later...)
	h.put(never...)
	h.sweep(codeNow-5, 100, 0)
	h.sweep(codeNow, 0, 0)
	h.sweep(codeNow-4, 100, 6)
	h.sweep(codeNow, 10, 10)
	h.sweep(codeNow, 13, 13)
	h.sweep(codeNow, 13, 1)
	h.sweep(codeNow, 13, 0)
	h.count(h.key, 10)
	for i := range later {
		h.stored(later[i])
		h.stored(never[i])
	}
	h.sweep(codeNow+1, 100, 5)
	h.sweep(math.MaxInt64, 100, 0)
	h.count(h.key, 5)
	// One that was put again has another time.
	c := h.code("again")
	c.Expires = codeNow
	h.put(c)
	c.RecordID, c.Expires = envelope.NewRecordID(), codeExpires
	h.put(c)
	h.sweep(codeNow, 100, 0)
	h.stored(c)
}

// codesSweepRace: who sweep at once remove each code once, and those that are put
// anew meanwhile stay.
func codesSweepRace(h *codes) {
	const n = 200
	var list, fresh []store.Code
	for i := range n {
		c := h.code(fmt.Sprint(i))
		c.Expires = codeNow
		list = append(list, c)
		if i%10 == 0 {
			c.RecordID, c.Expires = envelope.NewRecordID(), codeExpires
			fresh = append(fresh, c)
		}
	}
	h.put(list...)
	var removed atomic.Int64
	atOnce(8, func(g int) {
		if g == 0 {
			for _, c := range fresh {
				if err := h.c.PutCodes(h.Context(), []store.Code{c}); err != nil {
					h.Errorf("PutCodes: %v", err)
				}
			}
			return
		}
		for range 10 {
			n, err := h.c.SweepCodes(h.Context(), codeNow, 7)
			if err != nil || n > 7 {
				h.Errorf("SweepCodes: %v, %d removed of at most 7", err, n)
			}
			removed.Add(int64(n))
		}
	})
	left, err := h.c.SweepCodes(h.Context(), codeNow, n)
	h.noError(err, "SweepCodes")
	if total := int(removed.Load()) + left; total < n-len(fresh) || total > n {
		h.Fatalf("%d codes were swept, want %d to %d", total, n-len(fresh), n)
	}
	for _, c := range fresh {
		h.stored(c)
	}
	h.count(h.key, uint64(len(fresh)))
}

func codesScan(h *codes) {
	if n := len(h.scanned(h.scope)) + len(h.scanned(store.ScopeID{})); n != 0 {
		h.Fatalf("scan of an empty store found %d codes", n)
	}
	want := map[store.CodeID]store.Code{}
	var list []store.Code
	for i := range 1203 {
		c := h.code(fmt.Sprint(i))
		if i%7 == 0 {
			c.Expires = 1 // those whose time is up included
		}
		list = append(list, c)
	}
	list[5].ID.Owner, list[6].ID.Owner = "", strings.Repeat("o", store.MaxName)
	h.put(list...)
	h.attempt(list[1].ID, 3, tries, store.TryTaken, 1)
	list[1].Guesses, list[1].Counters = 1, []store.TryCounter{{ID: 3, Taken: 1}}
	for _, c := range list {
		want[c.ID] = c
	}
	expect := func(scope store.ScopeID) {
		h.Helper()
		got := h.scanned(scope)
		if len(got) != len(want) {
			h.Fatalf("scan found %d codes, want %d", len(got), len(want))
		}
		for id, c := range want {
			h.sameCode(got[id], c)
		}
	}
	expect(h.scope)
	expect(store.ScopeID{})
	other := h.code("0")
	other.ID.Scope = newScope()
	h.put(other)
	expect(h.scope)
	want[other.ID] = other
	expect(store.ScopeID{})
	seq := h.c.ScanCodes(h.Context(), h.scope)
	for range 2 { // an iterator can be used again, and left
		n := 0
		for _, err := range seq {
			h.noError(err, "ScanCodes")
			if n++; n == 1100 {
				break
			}
		}
		if n != 1100 {
			h.Fatalf("scan found %d codes", n)
		}
	}
}

// codesScanWhileWriting seals each code anew as it comes by, as a re-sealing does.
// What was there before is seen once, whatever is written meanwhile.
func codesScanWhileWriting(h *codes) {
	var list []store.Code
	for i := range 1100 {
		list = append(list, h.code(fmt.Sprint(i)))
	}
	h.put(list...)
	other := envelope.NewKeyID()
	h.noError(h.c.OpenFence(h.Context(), other), "OpenFence")
	seen := map[store.CodeID]int{}
	i := 0
	for c, err := range h.c.ScanCodes(h.Context(), h.scope) {
		h.noError(err, "ScanCodes")
		seen[c.ID]++
		if strings.HasPrefix(c.ID.Owner, "new") {
			continue
		}
		h.noError(h.c.ReplaceRecord(h.Context(), c, record(other)), "ReplaceRecord")
		if i++; i%100 == 0 {
			h.saved(fmt.Sprint("new", i))
			again := h.code("")
			again.ID = list[(i*7)%len(list)].ID
			again.Record = record(other)
			if seen[again.ID] > 0 {
				h.put(again)
			}
		}
	}
	for _, c := range list {
		if seen[c.ID] != 1 {
			h.Fatalf("the code of owner %q was seen %d times", c.ID.Owner, seen[c.ID])
		}
	}
	for id, n := range seen {
		if n != 1 {
			h.Fatalf("the code of owner %q was seen %d times", id.Owner, n)
		}
	}
	h.count(other, uint64(len(list)))
}
