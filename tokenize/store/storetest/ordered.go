package storetest

import (
	"fmt"
	"slices"

	"github.com/cardseal/cardseal/tokenize/store"
)

func (h *harness) orderRow(token, order string) store.Row {
	r := h.plainRow(token)
	r.Order = order
	return r
}

func ordered(h *harness) {
	columns := []string{
		"b", "411111-1111-16-000002", "411111-1111-16-000001", "411111-1111-17-000000",
		"411111-1112-16-000000", "4111111", "411111", "a", "41", "411111-1111-16",
	}
	for i, column := range columns {
		h.save(h.orderRow(fmt.Sprintf("t%d", i), column))
	}
	h.save(h.plainRow("none")) // not in the column at all
	slices.Sort(columns)
	h.equal(h.column(""), columns, "whole column")
	h.equal(h.column("411111-1111-16-"), []string{"411111-1111-16-000001", "411111-1111-16-000002"}, "prefix")
	h.equal(h.column("411111-1111-16"), []string{"411111-1111-16", "411111-1111-16-000001", "411111-1111-16-000002"}, "shorter prefix")
	h.equal(h.column("b"), []string{"b"}, "prefix that is an entry")
	h.equal(h.column("41"), columns[:len(columns)-2], "short prefix")
	h.equal(h.column("411111-1111-16-000001x"), nil, "longer than any entry")
	h.equal(h.column("5"), nil, "prefix of none")

	var got []string
	for order, err := range h.c.Ordered(h.Context(), h.scope, "41") {
		h.noError(err, "Ordered")
		if got = append(got, order); len(got) == 2 {
			break // an iteration can be left
		}
	}
	h.equal(got, columns[:2], "first two")
}

func orderedChanges(h *harness) {
	h.save(h.orderRow("a", "o1"), h.orderRow("b", "o1"), h.orderRow("c", "o3"))
	if got := slices.Compact(h.column("o")); !slices.Equal(got, []string{"o1", "o3"}) {
		h.Fatalf("column %q, want o1 and o3", got)
	}
	// Two rows have one entry each: one row's change leaves the other's.
	h.save(next(h.orderRow("a", "o2"), 1))
	h.equal(h.column("o"), []string{"o1", "o2", "o3"}, "column after a change")
	h.save(next(h.orderRow("a", ""), 2), next(h.orderRow("c", "o0"), 1))
	h.equal(h.column("o"), []string{"o0", "o1"}, "column after more changes")
	h.save(next(h.orderRow("c", "o0"), 2))
	h.equal(h.column("o"), []string{"o0", "o1"}, "column after a write that keeps it")
}

// orderedBytes: where one entry begins with another, the token behind them must
// not decide.
func orderedBytes(h *harness) {
	columns := []string{"o", "o\x01", "o\x01\x01", "o\x02", "oa", "ob", "o~", "oé", "o\U0010ffff"}
	for i, column := range columns {
		h.save(h.orderRow(fmt.Sprintf("%c", 'z'-rune(i)), column))
		h.save(h.orderRow(fmt.Sprintf("\x01%d", i), "p"+column))
	}
	h.equal(h.column("o"), columns, "column")
	h.equal(h.column("o\x01"), columns[1:3], "column under a control character")
}
