package storetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cardseal/cardseal/tokenize/store"
)

// RunBytes tries a store that takes any bytes where the interface says text,
// zero bytes and broken UTF-8 too.
func RunBytes(t *testing.T, open func(t *testing.T) store.Cards) {
	t.Run("Longest", func(t *testing.T) {
		h := newHarness(t, open(t))
		for _, b := range []string{"\x00", "\xff"} {
			r := h.row(strings.Repeat(b, 255))
			r.Order, r.Brand, r.UpdatedBy = strings.Repeat(b, 255), b, b
			h.save(r)
			h.stored(r, 1)
			h.holders(r.Index[0], r.Token)
			h.equal(h.column(b), []string{r.Order}, "ordered column")
			if n := len(h.scanned(h.scope, strings.Repeat(b, 254))); n != 1 {
				t.Fatalf("scan found %d rows, want 1", n)
			}
		}
	})
	t.Run("Ordered", func(t *testing.T) {
		h := newHarness(t, open(t))
		columns := []string{"\x00", "\x00\x00", "\x00\x00\x01", "\x00\x01", "\x00\xff", "\x01", "o", "o\x00", "o\x00\x00", "o\x00\x01", "o\x00\xff", "o\x01", "o\xff", "o\xff\xff", "p", "\xff", "\xff\xff"}
		for i, column := range columns {
			h.save(h.orderRow(fmt.Sprintf("%c", len(columns)-i), column))
		}
		h.equal(h.column(""), columns, "whole column")
		h.equal(h.column("\x00"), columns[:5], "column under a zero byte")
		h.equal(h.column("o\x00"), columns[7:11], "column under o and a zero byte")
		h.equal(h.column("\xff"), columns[15:], "column under the last byte")
	})
}
