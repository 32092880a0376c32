package storetest

import (
	"errors"
	"testing"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

// RunDurable tries a store that outlives its process. create makes an empty
// one and returns a function that opens it; each call of that function closes
// what the one before it opened.
func RunDurable(t *testing.T, create func(t *testing.T) (reopen func() store.Cards)) {
	t.Run("Everything", func(t *testing.T) {
		reopen := create(t)
		h := newHarness(t, reopen())
		a, b, gone := h.row("a"), h.row("b"), h.row("gone")
		closed := envelope.NewKeyID()
		o := at(digest(), 1000)
		m := message(digest(), 1000)
		h.write([]store.Write{{Row: a, Once: o}, {Row: b, Unique: true}, {Row: gone, Spend: m}}, written, written, written)
		b.Brand = "changed"
		_, err := h.c.Write(t.Context(), []store.Write{{Row: next(b, 1)}, h.deleted("gone", 1)}, &store.Job{ID: store.JobID{1}, State: []byte("state")})
		h.noError(err, "Write")
		h.noError(h.c.CloseFence(t.Context(), closed), "CloseFence")
		_, err = h.c.CreateRepository(t.Context(), store.Repository{Scope: h.scope, Name: "SHOP", Config: []byte("config")})
		h.noError(err, "CreateRepository")
		h.noError(h.c.AssignMerchant(t.Context(), "m", h.scope), "AssignMerchant")

		for range 2 {
			h.c = reopen()
			h.stored(a, 1)
			h.stored(b, 2)
			h.sameRow(h.get("gone"), store.Row{Scope: h.scope, Token: "gone", Version: 2, Status: store.Deleted, Order: gone.Order})
			h.equal(tokensOf(h.scanned(h.scope, "")), []string{"a", "b", "gone"}, "scan")
			h.equal(h.column(""), []string{a.Order, b.Order, gone.Order}, "ordered column")
			h.holders(b.Index[0], "b")
			h.holders(gone.Index[0])
			h.count(h.key, 4)
			h.keeps("state", "config")
			h.merchant("m", &h.scope)
			h.write([]store.Write{{Row: h.plainRow("x"), Once: at(o.Key, 1001)}}, replayed("a", o))
			h.write([]store.Write{{Row: h.plainRow("x"), Spend: m}}, spent)
			h.spendAlone([]store.Spend{*m}, true)
			h.write(writes(h.plainRow("gone")), store.Outcome{Result: store.TokenTaken})
			h.write(writes(h.under("x", closed)), fenced(closed))
			taken := h.plainRow("x")
			taken.Index = b.Index
			h.write([]store.Write{{Row: taken, Unique: true}}, exists("b"))
		}
		h.save(h.row("c"))
	})
	t.Run("Removed", func(t *testing.T) {
		reopen := create(t)
		h := newHarness(t, reopen())
		_, err := h.c.Write(t.Context(), nil, &store.Job{ID: store.JobID{1}})
		h.noError(err, "Write")
		h.noError(h.c.EndJob(t.Context(), store.JobID{1}), "EndJob")
		r := h.row("a")
		h.save(r)
		r.Index, r.Order = nil, ""
		h.save(next(r, 1))
		h.c = reopen()
		h.stored(r, 2)
		h.equal(h.column(""), nil, "ordered column")
		if _, err := h.c.Job(t.Context(), store.JobID{1}); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("Job: %v, want ErrNotFound", err)
		}
	})
}
