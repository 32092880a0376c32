package storetest

import (
	"fmt"
	"slices"
	"sync"

	"github.com/cardseal/cardseal/crypto/envelope"
	"github.com/cardseal/cardseal/tokenize/store"
)

var spent = store.Outcome{Result: store.Spent}

// message is spent at a time and remembered for 100 ms.
func message(digest [32]byte, now int64) *store.Spend {
	return &store.Spend{Digest: digest, Now: now, Until: now + 100}
}

// spendAlone expects what the store says of messages spent without a write.
func (h *harness) spendAlone(messages []store.Spend, want ...bool) {
	h.Helper()
	before, err := h.c.Spend(h.Context(), h.scope, messages)
	h.noError(err, "Spend")
	if !slices.Equal(before, want) {
		h.Fatalf("spent before: %v, want %v", before, want)
	}
}

func spend(h *harness) {
	m, card := digest(), digest()
	o := at(digest(), 1000)
	h.write([]store.Write{{Row: h.cardRow("a", card), Unique: true, Once: o, Spend: message(m, 1000)}}, written)
	h.write([]store.Write{{Row: h.plainRow("b"), Spend: message(m, 1001)}}, spent)
	h.write([]store.Write{{Row: h.plainRow("b"), Spend: message(m, -5)}}, spent) // by a slow clock
	// A call that was carried out is told so first.
	h.write([]store.Write{{Row: h.plainRow("b"), Once: o, Spend: message(m, 1001)}}, replayed("a", o))
	// All else that is wrong comes after.
	h.write([]store.Write{
		{Row: h.cardRow("b", card), Unique: true, Spend: message(m, 1001)},
		{Row: h.plainRow("a"), Spend: message(m, 1001)},
		{Row: next(h.plainRow("x"), 9), Spend: message(m, 1001)},
		{Row: h.under("b", envelope.NewKeyID()), Spend: message(m, 1001)},
		{Row: h.plainRow("b"), Spend: message(m, 1001), Epoch: 9},
	}, spent, spent, spent, spent, outdated)
	h.absent("b", "x")
	h.write([]store.Write{{Row: h.plainRow("b"), Spend: message(digest(), 1000)}}, written)
}

func spendExpires(h *harness) {
	m := digest()
	h.write([]store.Write{{Row: h.plainRow("a"), Spend: message(m, 1000)}}, written)
	h.write([]store.Write{{Row: h.plainRow("b"), Spend: message(m, 1099)}}, spent)
	h.write([]store.Write{{Row: h.plainRow("b"), Spend: message(m, 1100)}}, written)
	h.write([]store.Write{{Row: h.plainRow("c"), Spend: message(m, 1199)}}, spent)
	h.spendAlone([]store.Spend{*message(m, 1199), *message(m, 1200)}, true, false)
	h.write([]store.Write{{Row: h.plainRow("c"), Spend: message(m, 1299)}}, spent)
	// Nor does what is refused prolong it.
	h.write([]store.Write{{Row: h.plainRow("a"), Spend: message(m, 1300)}}, store.Outcome{Result: store.TokenTaken})
	h.write([]store.Write{{Row: h.plainRow("c"), Spend: message(m, 1300)}}, written)
}

func spendInBatch(h *harness) {
	m := digest()
	h.write([]store.Write{
		{Row: h.plainRow("a"), Spend: message(m, 1000)}, {Row: h.plainRow("b"), Spend: message(m, 1000)}, {Row: h.plainRow("c")},
	}, written, spent, written)
	h.absent("a", "b", "c")
	h.write([]store.Write{
		{Row: h.plainRow("a"), Spend: message(m, 1000)}, {Row: next(h.plainRow("a"), 1), Spend: message(digest(), 1000)},
	}, written, written)
	h.write([]store.Write{{Row: h.plainRow("b"), Spend: message(m, 1000)}}, spent)
}

func spendNotKeptOnRefusal(h *harness) {
	m, held := digest(), digest()
	h.save(h.cardRow("a", held))
	closed := envelope.NewKeyID()
	for _, c := range []struct {
		w    store.Write
		want store.Outcome
	}{
		{store.Write{Row: h.plainRow("a")}, store.Outcome{Result: store.TokenTaken}},
		{store.Write{Row: h.cardRow("b", held), Unique: true}, exists("a")},
		{store.Write{Row: next(h.plainRow("a"), 9)}, store.Outcome{Result: store.Stale}},
		{store.Write{Row: h.under("b", closed)}, fenced(closed)},
		{store.Write{Row: h.plainRow("b"), Epoch: 9}, outdated},
	} {
		c.w.Spend = message(m, 1000)
		h.write([]store.Write{c.w}, c.want)
	}
	// Nor does a write whose neighbour is refused.
	h.write([]store.Write{
		{Row: h.plainRow("b"), Spend: message(m, 1000)}, {Row: h.plainRow("a")},
	}, written, store.Outcome{Result: store.TokenTaken})
	h.write([]store.Write{{Row: h.plainRow("b"), Spend: message(m, 1000)}}, written)
	// What was spent before a refused call is spent after it.
	h.write([]store.Write{
		{Row: h.plainRow("c"), Spend: message(m, 1100)}, {Row: h.plainRow("a")},
	}, written, store.Outcome{Result: store.TokenTaken})
	h.write([]store.Write{{Row: h.plainRow("c"), Spend: message(m, 1099)}}, spent)
}

func spendPerScope(h *harness) {
	m := digest()
	h.write([]store.Write{{Row: h.plainRow("a"), Spend: message(m, 1000)}}, written)
	other := h.plainRow("a")
	other.Scope = newScope()
	h.write([]store.Write{{Row: other, Spend: message(m, 1000)}}, written)
	h.write([]store.Write{{Row: h.plainRow("b"), Spend: message(m, 1000)}}, spent)
	h.scope = newScope()
	h.spendAlone([]store.Spend{*message(m, 1000)}, false)
}

func spendOnUpdate(h *harness) {
	r := h.plainRow("a")
	h.save(r)
	m := message(digest(), 1000)
	h.write([]store.Write{{Row: next(r, 1), Spend: m}}, written)
	h.write([]store.Write{{Row: next(r, 2), Spend: m}}, spent)
	h.write([]store.Write{{Row: store.Row{Scope: h.scope, Token: "a", Version: 2, Status: store.Deleted}, Spend: m}}, spent)
	h.stored(r, 2)
}

// spendInBigBatch: however a store takes in many rows, one message that was spent
// holds back all of them.
func spendInBigBatch(h *harness) {
	const n = 300
	w := make([]store.Write, n)
	want := make([]store.Outcome, n)
	for i := range w {
		w[i] = store.Write{Row: h.row(fmt.Sprintf("t%d", i)), Unique: true, Spend: message(digest(), 1000)}
		want[i] = written
	}
	h.write([]store.Write{{Row: h.plainRow("a"), Spend: w[n/2].Spend}}, written)
	want[n/2] = spent
	h.write(w, want...)
	h.absent("t0", "t150", "t299")
	w[n/2].Spend, want[n/2] = message(digest(), 1000), written
	h.write(w, want...)
	for i := range w {
		w[i].Row, want[i] = h.plainRow(fmt.Sprintf("u%d", i)), spent
	}
	h.write(w, want...)
	for i := range w { // one by one, out of date and in place
		w[i].Spend, want[i] = message(w[i].Spend.Digest, 1100), written
	}
	h.write(w, want...)
}

// spendFromMany: of all who spend one message at once, one does; alone, in a batch of
// many rows, and without a write.
func spendFromMany(h *harness) {
	const callers, rounds, many = 24, 6, 70
	for round := range rounds {
		m := message(digest(), 1000)
		did := make([]bool, callers)
		var wg sync.WaitGroup
		for g := range callers {
			wg.Go(func() {
				if g%3 == 2 {
					before, err := h.c.Spend(h.Context(), h.scope, []store.Spend{*m})
					if err != nil || len(before) != 1 {
						h.Errorf("Spend: %v, %d answers", err, len(before))
						return
					}
					did[g] = !before[0]
					return
				}
				w := []store.Write{{Row: h.plainRow(fmt.Sprintf("t%d-%d", round, g)), Spend: m}}
				if g%3 == 1 {
					for i := range many {
						w = append(w, store.Write{Row: h.plainRow(fmt.Sprintf("t%d-%d-%d", round, g, i))})
					}
				}
				out, err := h.c.Write(h.Context(), w, nil)
				if err != nil || len(out) != len(w) || out[0] != written && out[0] != spent {
					h.Errorf("Write: %v, outcomes %s", err, show(out))
					return
				}
				did[g] = out[0] == written
			})
		}
		wg.Wait()
		n := 0
		for g := range callers {
			if did[g] {
				n++
			}
			if token := fmt.Sprintf("t%d-%d", round, g); (h.get(token).Version == 1) != (did[g] && g%3 < 2) {
				h.Fatalf("round %d: caller %d was told otherwise than what is stored", round, g)
			}
		}
		if n != 1 {
			h.Fatalf("round %d: %d callers spent one message, want 1", round, n)
		}
	}
}

func spendAlone(h *harness) {
	a, b, c := *message(digest(), 1000), *message(digest(), 1000), *message(digest(), 1000)
	h.spendAlone(nil)
	h.write([]store.Write{{Row: h.plainRow("a"), Spend: &a}}, written)
	h.spendAlone([]store.Spend{b, a, c, b}, false, true, false, true)
	h.spendAlone([]store.Spend{c, b}, true, true)
	for _, m := range []store.Spend{a, b, c} {
		h.write([]store.Write{{Row: h.plainRow("b"), Spend: &m}}, spent)
	}
}
