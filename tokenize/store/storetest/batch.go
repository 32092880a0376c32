package storetest

import (
	"fmt"
	"strings"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func allOrNone(h *harness) {
	held := digest()
	h.save(h.cardRow("held", held), h.row("old"))
	before := h.get("old")
	changed := before
	changed.Brand, changed.Order = "other", "moved"
	card := digest()
	fresh := h.cardRow("new1", card)
	fresh.Order = "new1"
	closed := envelope.NewKeyID()
	fenced := h.plainRow("new4")
	fenced.Sealed = []store.Sealed{{Field: 1, Record: record(closed)}}
	o := &store.Once{Key: digest(), Input: digest(), Now: 1, Until: 1000}
	h.write([]store.Write{
		{Row: fresh, Once: o},
		{Row: h.cardRow("new2", held), Unique: true},
		{Row: changed},
		{Row: h.plainRow("old")},
		{Row: next(h.plainRow("new3"), 7)},
		{Row: fenced},
		h.deleted("held", 1),
	},
		written,
		store.Outcome{Result: store.CardExists, Token: "held"},
		written,
		store.Outcome{Result: store.TokenTaken},
		store.Outcome{Result: store.Stale},
		store.Outcome{Result: store.Fenced, Key: closed},
		written,
	)
	h.absent("new1", "new2", "new3", "new4")
	h.sameRow(h.get("old"), before)
	h.holders(store.IndexValue{Key: h.index, Value: held}, "held")
	h.holders(store.IndexValue{Key: h.index, Value: card})
	h.holders(before.Index[0], "old")
	h.equal(h.column(""), []string{before.Order}, "ordered column")
	h.equal(tokensOf(h.scanned(h.scope, "")), []string{"held", "old"}, "scan")
	h.write([]store.Write{{Row: fresh, Once: o}}, written) // the call was not remembered
}

func seesEarlierWrites(h *harness) {
	card := digest()
	first := h.cardRow("a", card)
	first.Order = "x1"
	second := first
	second.Version, second.Order = 1, "x2"
	third := second
	third.Version, third.Index = 2, []store.IndexValue{{Key: h.index, Value: digest()}}
	// New, changed twice in the same call; the card it gave up is free at once.
	h.write([]store.Write{
		{Row: first, Unique: true}, {Row: second, Unique: true}, {Row: third, Unique: true},
		{Row: h.cardRow("b", card), Unique: true},
	}, written, written, written, written)
	h.stored(third, 3)
	h.holders(store.IndexValue{Key: h.index, Value: card}, "b")
	h.equal(h.column("x"), []string{"x2"}, "ordered column")

	// Deleted and made anew: the token stays taken, its card does not.
	h.write([]store.Write{
		h.deleted("b", 1),
		{Row: h.cardRow("c", card), Unique: true},
	}, written, written)
	h.holders(store.IndexValue{Key: h.index, Value: card}, "c")
	h.write([]store.Write{h.deleted("c", 1), {Row: h.plainRow("c")}},
		written, store.Outcome{Result: store.TokenTaken})
	h.holders(store.IndexValue{Key: h.index, Value: card}, "c")

	// A refused write is not seen by those after it.
	h.write([]store.Write{
		{Row: h.cardRow("d", card), Unique: true},
		{Row: h.plainRow("d")},
		{Row: next(h.plainRow("d"), 1)},
		{Row: next(h.plainRow("d"), 1)},
	}, store.Outcome{Result: store.CardExists, Token: "c"}, written, written, store.Outcome{Result: store.Stale})
	h.absent("d")
}

func manyScopesInOneCall(h *harness) {
	var w []store.Write
	for range 5 {
		r := h.row("t")
		r.Scope = newScope()
		w = append(w, store.Write{Row: r, Unique: true})
	}
	back := w[0]
	back.Row.Version = 1
	w = append(w, back)
	h.write(w, written, written, written, written, written, written)
	for i, want := range []uint64{2, 1, 1, 1, 1} {
		h.scope = w[i].Row.Scope
		h.stored(w[i].Row, want)
	}
	// A refusal in one scope holds back the others.
	fresh := h.plainRow("fresh")
	h.write([]store.Write{{Row: fresh}, {Row: w[0].Row}}, written, store.Outcome{Result: store.TokenTaken})
	h.absent("fresh")
}

func emptyWrite(h *harness) {
	h.write(nil)
	out, err := h.c.Write(h.Context(), []store.Write{}, &store.Job{ID: store.JobID{1}, State: []byte("s")})
	h.noError(err, "Write")
	if len(out) != 0 {
		h.Fatalf("%d outcomes for no writes", len(out))
	}
	state, err := h.c.Job(h.Context(), store.JobID{1})
	h.noError(err, "Job")
	h.equal([]string{string(state)}, []string{"s"}, "job of a call without writes")
}

// bigBatch is larger than what a store may take apart inside.
func bigBatch(h *harness) {
	const n = 2500
	rows := make([]store.Row, n)
	for i := range rows {
		rows[i] = h.row(fmt.Sprintf("t%d", (i*7919)%n))
	}
	h.save(rows...)
	for i := 0; i < n; i += 97 {
		h.stored(rows[i], 1)
		h.holders(rows[i].Index[0], rows[i].Token)
	}
	if got := len(h.scanned(h.scope, "")); got != n {
		h.Fatalf("scan found %d rows, want %d", got, n)
	}
	if got := len(h.column("")); got != n {
		h.Fatalf("the ordered column has %d entries, want %d", got, n)
	}
	// One refusal among many takes all back.
	again := make([]store.Row, n)
	for i := range again {
		again[i] = next(h.row(rows[i].Token), 1)
	}
	again[n/2].Version = 9
	want := make([]store.Outcome, n)
	for i := range want {
		want[i] = written
	}
	want[n/2] = store.Outcome{Result: store.Stale}
	h.write(writes(again...), want...)
	for i := 0; i < n; i += 97 {
		h.stored(rows[i], 1)
		h.holders(rows[i].Index[0], rows[i].Token)
		h.holders(again[i].Index[0])
	}
}

func invalid(h *harness) {
	cases := map[string]func(r *store.Row){
		"no token":          func(r *store.Row) { r.Token = "" },
		"long token":        func(r *store.Row) { r.Token = strings.Repeat("x", 256) },
		"no status":         func(r *store.Row) { r.Status = 0 },
		"unknown status":    func(r *store.Row) { r.Status = store.Deleted + 1 },
		"long BIN":          func(r *store.Row) { r.BIN = "411111111" },
		"empty record":      func(r *store.Row) { r.Sealed[0].Record = nil },
		"short record":      func(r *store.Row) { r.Sealed[0].Record = r.Sealed[0].Record[:17] },
		"other version":     func(r *store.Row) { r.Sealed[0].Record[0] = 9 },
		"inline record":     func(r *store.Row) { r.Sealed[0].Record[1] |= 0x80 },
		"fields twice":      func(r *store.Row) { r.Sealed[1].Field = r.Sealed[0].Field },
		"fields unsorted":   func(r *store.Row) { r.Sealed[0].Field, r.Sealed[1].Field = 9, 2 },
		"index value twice": func(r *store.Row) { r.Index = append(r.Index, r.Index[0]) },
	}
	for name, breakIt := range cases {
		bad := h.row("t")
		breakIt(&bad)
		out, err := h.c.Write(h.Context(), writes(h.plainRow("good"), bad), nil)
		if err == nil {
			h.Errorf("%s: no error, outcomes %s", name, show(out))
		}
		h.absent("good", "t")
	}
}
