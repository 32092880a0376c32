package storetest

import (
	"fmt"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// The traps of keys made by joining fields without a separator.

func prefixTokens(h *harness) {
	card := digest()
	h.save(h.cardRow("ab", card))
	h.absent("a", "abc", "b")
	h.save(h.cardRow("a", card), h.cardRow("abc", card), h.cardRow("A", card))
	h.holders(store.IndexValue{Key: h.index, Value: card}, "A", "a", "ab", "abc")
	h.write([]store.Write{h.deleted("a", 1)}, written)
	h.holders(store.IndexValue{Key: h.index, Value: card}, "A", "ab", "abc")
	h.equal(tokensOf(h.scanned(h.scope, "")), []string{"A", "a", "ab", "abc"}, "scan")
	h.equal(tokensOf(h.scanned(h.scope, "a")), []string{"ab", "abc"}, "scan after a")
	h.equal(tokensOf(h.scanned(h.scope, "aa")), []string{"ab", "abc"}, "scan after aa")
}

func prefixScopes(h *harness) {
	scopes := make([]store.ScopeID, 4)
	for i := range scopes {
		scopes[i] = h.scope
		scopes[i][15] = []byte{0x00, 0x01, 0x61, 0xff}[i]
	}
	card := digest()
	for i, scope := range scopes {
		h.scope = scope
		for j := range i + 1 {
			r := h.cardRow(fmt.Sprintf("a%d", j), card)
			r.Order = fmt.Sprintf("o%d", j)
			h.save(r)
		}
	}
	for i, scope := range scopes {
		h.scope = scope
		var tokens, column []string
		for j := range i + 1 {
			tokens, column = append(tokens, fmt.Sprintf("a%d", j)), append(column, fmt.Sprintf("o%d", j))
		}
		h.equal(tokensOf(h.scanned(scope, "")), tokens, "scan")
		h.equal(h.column(""), column, "ordered column")
		h.holders(store.IndexValue{Key: h.index, Value: card}, tokens...)
	}
}

// prefixIndex: values and keys that differ in the last byte, and a token that
// begins like what could stand before it.
func prefixIndex(h *harness) {
	a := store.IndexValue{Key: h.index, Value: digest()}
	b, c := a, a
	b.Value[31]++
	c.Key[15]++
	for i, v := range []store.IndexValue{a, b, c} {
		r := h.plainRow(fmt.Sprintf("t%d", i))
		r.Index = []store.IndexValue{v}
		h.write([]store.Write{{Row: r, Unique: true}}, written)
	}
	h.holders(a, "t0")
	h.holders(b, "t1")
	h.holders(c, "t2")

	low, high := store.IndexValue{Key: h.index}, store.IndexValue{Key: h.index}
	for i := range high.Value {
		high.Value[i] = 0xff
	}
	r := h.plainRow("edge")
	r.Index = []store.IndexValue{low, high, {Key: envelope.KeyID{}, Value: high.Value}}
	h.save(r)
	for _, v := range r.Index {
		h.holders(v, "edge")
	}
}
