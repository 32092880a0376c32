package storetest

import (
	"math"
	"strings"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

func roundTrip(h *harness) {
	r := h.row("9000-tok é \U0010ffff'\"%_\\")
	h.save(r)
	h.stored(r, 1)
	suspended := r
	suspended.Status, suspended.Invalid = store.Suspended, false
	h.save(next(suspended, 1))
	h.stored(suspended, 2)
}

func roundTripSparse(h *harness) {
	r := h.plainRow("t")
	h.save(r)
	h.stored(r, 1)

	extreme := h.plainRow("x")
	extreme.PANLength, extreme.Verified, extreme.Expiry = math.MaxUint8, math.MaxUint8, math.MaxUint16
	extreme.Created, extreme.Updated, extreme.LastUsed, extreme.Expires = math.MinInt64, -1, math.MaxInt64, 1
	extreme.UpdatedBy = strings.Repeat("b", 1000)
	extreme.Sealed = []store.Sealed{{Field: 0, Generation: math.MaxUint64, Record: append(record(h.key), make([]byte, 5000)...)}}
	for range 5 {
		extreme.Index = append(extreme.Index, store.IndexValue{Key: envelope.NewKeyID(), Value: digest()})
	}
	h.save(extreme)
	h.stored(extreme, 1)
}

func getMissing(h *harness) {
	h.absent("t", "", strings.Repeat("x", 300))
	h.save(h.row("t"))
	h.absent("", "T", "t ", "tt")
	other := store.ScopeID{}
	rows, err := h.c.Get(h.Context(), other, []string{"t"})
	h.noError(err, "Get")
	if len(rows) != 1 || rows[0].Version != 0 {
		h.Fatal("a token was found in a scope that is not its own")
	}
	rows, err = h.c.Get(h.Context(), h.scope, nil)
	h.noError(err, "Get")
	if len(rows) != 0 {
		h.Fatalf("Get of no tokens returned %d rows", len(rows))
	}
}

func getOrder(h *harness) {
	h.save(h.plainRow("a"), h.plainRow("b"), h.plainRow("c"))
	rows, err := h.c.Get(h.Context(), h.scope, []string{"c", "x", "a", "c", "b"})
	h.noError(err, "Get")
	want := []string{"c", "", "a", "c", "b"}
	if len(rows) != len(want) {
		h.Fatalf("Get returned %d rows, want %d", len(rows), len(want))
	}
	for i, r := range rows {
		if want[i] == "" {
			if r.Version != 0 {
				h.Fatalf("row %d has version %d, want 0", i, r.Version)
			}
			continue
		}
		if r.Token != want[i] || r.Version != 1 {
			h.Fatalf("row %d is %q at version %d, want %q at 1", i, r.Token, r.Version, want[i])
		}
	}
}

func versions(h *harness) {
	r := h.row("t")
	for v := range uint64(20) {
		r.Updated = int64(v)
		h.save(next(r, v))
		h.stored(r, v+1)
	}
}

func stale(h *harness) {
	refused := store.Outcome{Result: store.Stale}
	r := h.row("t")
	h.write(writes(next(r, 1)), refused)
	h.absent("t")
	h.save(r, next(r, 1))
	for _, v := range []uint64{1, 3, math.MaxUint64 - 1} {
		h.write(writes(next(r, v)), refused)
	}
	h.stored(r, 2)
	h.write([]store.Write{h.deleted("t", 1)}, refused)
	h.write([]store.Write{h.deleted("t", 2)}, written)
	h.write(writes(next(r, 3)), refused)
	h.write([]store.Write{h.deleted("t", 3)}, refused)
}

func tokenTaken(h *harness) {
	r := h.row("t")
	h.save(r)
	h.write(writes(h.row("t")), store.Outcome{Result: store.TokenTaken})
	h.stored(r, 1)
	// The token's own card is no other token's: it is the token that is taken.
	h.write([]store.Write{{Row: r, Unique: true}}, store.Outcome{Result: store.TokenTaken})
}

func longestToken(h *harness) {
	r := h.row(strings.Repeat("~", 255))
	r.Order = strings.Repeat("!", 255)
	h.save(r)
	h.stored(r, 1)
	h.holders(r.Index[0], r.Token)
	h.equal(h.column("!"), []string{r.Order}, "ordered column")
	h.equal(tokensOf(h.scanned(h.scope, strings.Repeat("~", 254))), []string{r.Token}, "scan")
}
