package storetest

import (
	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func exists(token string) store.Outcome {
	return store.Outcome{Result: store.CardExists, Token: token}
}

func unique(h *harness) {
	card := digest()
	v := store.IndexValue{Key: h.index, Value: card}
	h.write([]store.Write{{Row: h.cardRow("a", card), Unique: true}}, written)
	h.write([]store.Write{{Row: h.cardRow("b", card), Unique: true}}, exists("a"))
	h.absent("b")
	h.holders(v, "a")
	// The card comes before the token: whoever is told both joins the winner.
	h.save(h.plainRow("taken"))
	h.write([]store.Write{{Row: h.cardRow("taken", card), Unique: true}}, exists("a"))
	// Within one call, the first is the other token of the second.
	other := digest()
	h.write([]store.Write{
		{Row: h.cardRow("c", other), Unique: true}, {Row: h.cardRow("d", other), Unique: true},
	}, written, exists("c"))
	h.absent("c", "d")
	// Another scope knows nothing of it.
	h.scope = newScope()
	h.write([]store.Write{{Row: h.cardRow("b", card), Unique: true}}, written)
	h.holders(v, "b")
	// Without index values nothing can stand in the way.
	h.write([]store.Write{{Row: h.plainRow("e"), Unique: true}, {Row: h.plainRow("f"), Unique: true}}, written, written)
}

// uniqueSeveralKeys is the time of an index key's rotation: a card counts as
// there if it is under any live key.
func uniqueSeveralKeys(h *harness) {
	second := envelope.NewKeyID()
	old, fresh := store.IndexValue{Key: h.index, Value: digest()}, store.IndexValue{Key: second, Value: digest()}
	both := func(token string, values ...store.IndexValue) store.Write {
		r := h.plainRow(token)
		r.Index = values
		return store.Write{Row: r, Unique: true}
	}
	h.write([]store.Write{both("a", old)}, written)
	h.write([]store.Write{both("b", old, fresh)}, exists("a"))
	h.write([]store.Write{both("b", fresh, old)}, exists("a"))
	h.holders(fresh) // the refused write left nothing under the other key
	h.write([]store.Write{both("c", fresh)}, written)
	h.write([]store.Write{both("d", old, fresh)}, exists("a"))
	h.write([]store.Write{both("d", fresh, old)}, exists("c"))
	lists, err := h.c.ByIndex(h.Context(), h.scope, []store.IndexValue{fresh, {Key: second, Value: digest()}, old})
	h.noError(err, "ByIndex")
	if len(lists) != 3 || lists[1] != nil {
		h.Fatalf("ByIndex = %q, want three lists, the second nil", lists)
	}
	h.equal(lists[0], []string{"c"}, "first value")
	h.equal(lists[2], []string{"a"}, "third value")
}

func uniqueOnUpdate(h *harness) {
	mine, theirs := digest(), digest()
	h.save(h.cardRow("a", mine), h.cardRow("b", theirs))
	// A token's own value does not stand in its way.
	r := h.cardRow("a", mine)
	r.Brand = "changed"
	h.write([]store.Write{{Row: next(r, 1), Unique: true}}, written)
	h.write([]store.Write{{Row: next(h.cardRow("a", theirs), 2), Unique: true}}, exists("b"))
	// An old version says so, whatever else is wrong.
	h.write([]store.Write{{Row: next(h.cardRow("a", theirs), 1), Unique: true}}, store.Outcome{Result: store.Stale})
	h.stored(r, 2)
}

func plain(h *harness) {
	card := digest()
	v := store.IndexValue{Key: h.index, Value: card}
	h.save(h.cardRow("m", card), h.cardRow("z", card), h.cardRow("a", card))
	h.holders(v, "a", "m", "z")
	h.write([]store.Write{{Row: h.cardRow("x", card), Unique: true}}, exists("a"))
	h.write([]store.Write{h.deleted("a", 1)}, written)
	h.holders(v, "m", "z")
	h.write([]store.Write{{Row: next(h.cardRow("m", card), 1), Unique: true}}, exists("z"))
	h.write([]store.Write{h.deleted("m", 1), h.deleted("z", 1)}, written, written)
	h.holders(v)
}

func indexReplaced(h *harness) {
	first, second, kept := digest(), digest(), store.IndexValue{Key: envelope.NewKeyID(), Value: digest()}
	r := h.cardRow("a", first)
	r.Index = append(r.Index, kept)
	h.save(r)
	r.Index = []store.IndexValue{kept, {Key: h.index, Value: second}}
	h.save(next(r, 1))
	h.stored(r, 2)
	h.holders(store.IndexValue{Key: h.index, Value: first})
	h.holders(store.IndexValue{Key: h.index, Value: second}, "a")
	h.holders(kept, "a")
	h.write([]store.Write{{Row: h.cardRow("b", first), Unique: true}}, written)
	r.Index = nil
	h.save(next(r, 2))
	h.holders(store.IndexValue{Key: h.index, Value: second})
	h.holders(kept)
}

// indexKeysApart: one value under two keys is two values.
func indexKeysApart(h *harness) {
	value, other := digest(), envelope.NewKeyID()
	h.save(h.cardRow("a", value))
	h.holders(store.IndexValue{Key: other, Value: value})
	r := h.plainRow("b")
	r.Index = []store.IndexValue{{Key: other, Value: value}}
	h.write([]store.Write{{Row: r, Unique: true}}, written)
	h.holders(store.IndexValue{Key: other, Value: value}, "b")
	h.holders(store.IndexValue{Key: h.index, Value: value}, "a")
}
