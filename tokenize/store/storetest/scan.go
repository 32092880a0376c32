package storetest

import (
	"fmt"
	"slices"

	"github.com/cardseal/cardseal/tokenize/store"
)

// fill saves n tokens and returns their rows in the order of the tokens.
func (h *harness) fill(n int) []store.Row {
	h.Helper()
	rows := make([]store.Row, n)
	for i := range rows {
		rows[i] = h.row(fmt.Sprintf("t%d", i))
	}
	h.save(rows...)
	slices.SortFunc(rows, func(a, b store.Row) int {
		if a.Token < b.Token {
			return -1
		}
		return 1
	})
	return rows
}

func scan(h *harness) {
	if rows := h.scanned(h.scope, ""); len(rows) != 0 {
		h.Fatalf("scan of an empty scope found %d rows", len(rows))
	}
	want := h.fill(1203)
	other := h.row("t1")
	other.Scope = newScope()
	h.save(other)
	got := h.scanned(h.scope, "")
	if len(got) != len(want) {
		h.Fatalf("scan found %d rows, want %d", len(got), len(want))
	}
	for i := range got {
		want[i].Version = 1
		h.sameRow(got[i], want[i])
	}
	seq := h.c.Scan(h.Context(), h.scope, "")
	for range 2 { // an iterator can be used again
		n := 0
		for _, err := range seq {
			h.noError(err, "Scan")
			n++
		}
		if n != len(want) {
			h.Fatalf("scan found %d rows, want %d", n, len(want))
		}
	}
}

func scanResumes(h *harness) {
	want := tokensOf(h.fill(1100))
	var got []string
	for after, step := "", 1; ; step = step*3 + 1 {
		n := 0
		for r, err := range h.c.Scan(h.Context(), h.scope, after) {
			h.noError(err, "Scan")
			got, after = append(got, r.Token), r.Token
			if n++; n == step {
				break
			}
		}
		if n < step {
			break
		}
	}
	h.equal(got, want, "scan in pieces")
	h.equal(tokensOf(h.scanned(h.scope, "t55x")), want[slices.Index(want, "t56"):], "scan after a token that is not there")
	h.equal(tokensOf(h.scanned(h.scope, want[len(want)-1])), nil, "scan after the last")
}

// scanWhileWriting: what was there before is seen, whatever is written
// meanwhile, and nothing twice.
func scanWhileWriting(h *harness) {
	want := tokensOf(h.fill(1100))
	seen := map[string]int{}
	i := 0
	for r, err := range h.c.Scan(h.Context(), h.scope, "") {
		h.noError(err, "Scan")
		seen[r.Token]++
		if i%100 == 0 {
			h.save(h.row(fmt.Sprintf("t%d+", i)), h.row(fmt.Sprintf("a%d", i)))
		}
		i++
	}
	for _, token := range want {
		if seen[token] != 1 {
			h.Fatalf("token %q was seen %d times", token, seen[token])
		}
	}
	for token, n := range seen {
		if n != 1 {
			h.Fatalf("token %q was seen %d times", token, n)
		}
	}
}

// writeInsideScan changes each row as it comes by, as a re-sealing does. The
// scan shows a row of its own time or a later one, never a torn one.
func writeInsideScan(h *harness) {
	h.fill(600)
	n := 0
	for r, err := range h.c.Scan(h.Context(), h.scope, "") {
		h.noError(err, "Scan")
		if r.Version != 1 {
			h.Fatalf("token %q is at version %d before its turn", r.Token, r.Version)
		}
		if n%7 == 0 {
			r.Sealed = []store.Sealed{{Field: 1, Generation: 2, Record: record(h.key)}}
			h.save(r)
			h.stored(r, 2)
		}
		n++
	}
	if n != 600 {
		h.Fatalf("scan found %d rows, want 600", n)
	}
}
