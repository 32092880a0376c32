package storetest

import "github.com/cardseal/cardseal/tokenize/store"

func replayed(token string, o *store.Once) store.Outcome {
	return store.Outcome{Result: store.Replayed, Token: token, Input: o.Input}
}

// at is a call at a time, which is remembered for 100 ms.
func at(key [32]byte, now int64) *store.Once {
	return &store.Once{Key: key, Input: digest(), Now: now, Until: now + 100}
}

func once(h *harness) {
	key, card := digest(), digest()
	o := at(key, 1000)
	h.write([]store.Write{{Row: h.cardRow("a", card), Unique: true, Once: o}}, written)
	h.write([]store.Write{{Row: h.cardRow("b", card), Unique: true, Once: o}}, replayed("a", o))
	// With other input, too: the caller compares.
	h.write([]store.Write{{Row: h.plainRow("c"), Once: at(key, 1001)}}, replayed("a", o))
	// It comes before all else that is wrong with the write.
	h.write([]store.Write{{Row: h.plainRow("a"), Once: at(key, 1002)}}, replayed("a", o))
	h.write([]store.Write{{Row: next(h.plainRow("x"), 9), Once: at(key, 1003)}}, replayed("a", o))
	h.absent("b", "c", "x")
	h.write([]store.Write{{Row: h.plainRow("d"), Once: at(digest(), 1000)}}, written)
	// A call of old, by a caller with a slow clock.
	h.write([]store.Write{{Row: h.plainRow("e"), Once: at(key, -5)}}, replayed("a", o))
}

func onceExpires(h *harness) {
	key := digest()
	first := at(key, 1000)
	h.write([]store.Write{{Row: h.plainRow("a"), Once: first}}, written)
	h.write([]store.Write{{Row: h.plainRow("b"), Once: at(key, 1099)}}, replayed("a", first))
	second := at(key, 1100)
	h.write([]store.Write{{Row: h.plainRow("b"), Once: second}}, written)
	h.write([]store.Write{{Row: h.plainRow("c"), Once: at(key, 1199)}}, replayed("b", second))
	h.write([]store.Write{{Row: h.plainRow("c"), Once: at(key, 5000)}}, written)
	h.stored(h.get("a"), 1)
}

func onceDeleted(h *harness) {
	key := digest()
	o := at(key, 1000)
	h.write([]store.Write{{Row: h.plainRow("a"), Once: o}}, written)
	h.write([]store.Write{h.deleted("a", 1)}, written)
	second := at(key, 1001)
	h.write([]store.Write{{Row: h.plainRow("b"), Once: second}}, written)
	h.write([]store.Write{{Row: h.plainRow("c"), Once: at(key, 1002)}}, replayed("b", second))
	// Forgotten by a deletion in the same call already.
	third := at(key, 1003)
	h.write([]store.Write{h.deleted("b", 1), {Row: h.plainRow("c"), Once: third}}, written, written)
	h.write([]store.Write{{Row: h.plainRow("d"), Once: at(key, 1004)}}, replayed("c", third))
}

func onceInBatch(h *harness) {
	key := digest()
	o := at(key, 1000)
	h.write([]store.Write{
		{Row: h.plainRow("a"), Once: o}, {Row: h.plainRow("b"), Once: at(key, 1000)}, {Row: h.plainRow("c")},
	}, written, replayed("a", o), written)
	h.absent("a", "b", "c")
	h.write([]store.Write{{Row: h.plainRow("b"), Once: at(key, 1000)}}, written)
}

func onceNotKeptOnRefusal(h *harness) {
	key := digest()
	h.save(h.plainRow("a"))
	h.write([]store.Write{{Row: h.plainRow("a"), Once: at(key, 1000)}}, store.Outcome{Result: store.TokenTaken})
	o := at(key, 1000)
	h.write([]store.Write{{Row: h.plainRow("b"), Once: o}}, written)
	// What was remembered before a refused call is remembered after it.
	h.write([]store.Write{
		h.deleted("b", 1), {Row: h.plainRow("c"), Once: at(key, 1001)}, {Row: h.plainRow("a")},
	}, written, written, store.Outcome{Result: store.TokenTaken})
	h.write([]store.Write{{Row: h.plainRow("c"), Once: at(key, 1002)}}, replayed("b", o))
}

func oncePerScope(h *harness) {
	key := digest()
	first := at(key, 1000)
	h.write([]store.Write{{Row: h.plainRow("a"), Once: first}}, written)
	other := h.plainRow("a")
	other.Scope = newScope()
	h.write([]store.Write{{Row: other, Once: at(key, 1000)}}, written)
	h.write([]store.Write{{Row: h.plainRow("b"), Once: at(key, 1000)}}, replayed("a", first))
}

func onceOnUpdate(h *harness) {
	r := h.plainRow("a")
	h.save(r)
	o := at(digest(), 1000)
	h.write([]store.Write{{Row: next(r, 1), Once: o}}, written)
	h.write([]store.Write{{Row: next(r, 1), Once: o}}, replayed("a", o))
	h.write([]store.Write{{Row: next(r, 2), Once: o}}, replayed("a", o))
	h.stored(r, 2)
}
