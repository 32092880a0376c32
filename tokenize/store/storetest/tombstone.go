package storetest

import "github.com/cardseal/cardseal/tokenize/store"

func tombstone(h *harness) {
	r := h.row("t")
	h.save(r)
	h.count(h.key, 2)
	full := r // a tombstone keeps nothing of it
	full.Version, full.Status = 1, store.Deleted
	h.write([]store.Write{{Row: full, Unique: true}}, written)
	gone := store.Row{Scope: h.scope, Token: "t", Version: 2, Status: store.Deleted, Order: r.Order}
	h.sameRow(h.get("t"), gone)
	h.holders(r.Index[0])
	h.count(h.key, 0)
	h.equal(h.column(""), []string{r.Order}, "ordered column")
	rows := h.scanned(h.scope, "")
	if len(rows) != 1 {
		h.Fatalf("scan found %d rows, want the tombstone", len(rows))
	}
	h.sameRow(rows[0], gone)

	h.write(writes(h.row("t")), store.Outcome{Result: store.TokenTaken})
	h.write(writes(next(h.row("t"), 2)), store.Outcome{Result: store.Stale})
	h.sameRow(h.get("t"), gone)

	// The column stays though the write that deletes does not name it.
	u := h.row("u")
	h.save(u)
	h.write([]store.Write{h.deleted("u", 1)}, written)
	gone.Token, gone.Order = "u", u.Order
	h.sameRow(h.get("u"), gone)
	h.equal(h.column(""), []string{r.Order, u.Order}, "ordered column")
}

func tombstoneFreesCard(h *harness) {
	card := digest()
	h.save(h.cardRow("a", card))
	h.write([]store.Write{h.deleted("a", 1)}, written)
	h.write([]store.Write{{Row: h.cardRow("b", card), Unique: true}}, written)
	h.holders(store.IndexValue{Key: h.index, Value: card}, "b")
}

func tombstoneOfNew(h *harness) {
	r := h.row("t")
	r.Status = store.Deleted
	h.write(writes(r), written)
	h.sameRow(h.get("t"), store.Row{Scope: h.scope, Token: "t", Version: 1, Status: store.Deleted, Order: r.Order})
	h.holders(r.Index[0])
	h.equal(h.column(""), []string{r.Order}, "ordered column")
	h.write(writes(h.row("t")), store.Outcome{Result: store.TokenTaken})
}
