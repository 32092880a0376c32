package storetest

import (
	"fmt"
	"sync"

	"github.com/cardseal/cardseal/tokenize/store"
)

// sameCardFromMany: 64 callers save the same cards at once; each card has one
// token in the end, which all of them were told.
func sameCardFromMany(h *harness) {
	const callers, cards = 64, 6
	values := make([][32]byte, cards)
	for i := range values {
		values[i] = digest()
	}
	var told [callers][cards]string
	var wg sync.WaitGroup
	for g := range callers {
		wg.Go(func() {
			for i := range cards {
				i := (i + g) % cards
				token := fmt.Sprintf("t%d-%d", g, i)
				w := []store.Write{{Row: h.cardRow(token, values[i]), Unique: true}}
				out, err := h.c.Write(h.Context(), w, nil)
				switch {
				case err != nil || len(out) != 1:
					h.Errorf("Write: %v, %d outcomes", err, len(out))
					return
				case out[0].Result == store.Written:
					told[g][i] = token
				case out[0].Result == store.CardExists:
					told[g][i] = out[0].Token
				default:
					h.Errorf("outcome %s", show(out))
				}
			}
		})
	}
	wg.Wait()
	for i := range cards {
		h.holders(store.IndexValue{Key: h.index, Value: values[i]}, told[0][i])
		for g := range callers {
			if told[g][i] != told[0][i] {
				h.Fatalf("card %d: caller %d was told %q, caller 0 %q", i, g, told[g][i], told[0][i])
			}
		}
	}
	if n := len(h.scanned(h.scope, "")); n != cards {
		h.Fatalf("%d rows, want %d", n, cards)
	}
}

// updateRace: of all who replace one version, one does.
func updateRace(h *harness) {
	const callers, rounds = 16, 8
	r := h.plainRow("t")
	h.save(r)
	for round := range uint64(rounds) {
		out := make([]store.Outcome, callers)
		var wg sync.WaitGroup
		for g := range callers {
			wg.Go(func() {
				mine := next(r, round+1)
				mine.Updated = int64(g)
				got, err := h.c.Write(h.Context(), writes(mine), nil)
				if err != nil || len(got) != 1 {
					h.Errorf("Write: %v, %d outcomes", err, len(got))
					return
				}
				out[g] = got[0]
			})
		}
		wg.Wait()
		winner := -1
		for g, o := range out {
			switch {
			case o.Result == store.Written && winner < 0:
				winner = g
			case o.Result != store.Stale:
				h.Fatalf("round %d: outcomes %s, want one Written and else Stale", round, show(out))
			}
		}
		if winner < 0 {
			h.Fatalf("round %d: nobody replaced the version", round)
		}
		r.Updated = int64(winner)
		h.stored(r, round+2)
	}
}

// readersSeeWholeBatches: two rows that are written together are read together.
func readersSeeWholeBatches(h *harness) {
	const rounds = 40
	h.save(h.plainRow("a"), h.plainRow("b"))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				rows, err := h.c.Get(h.Context(), h.scope, []string{"a", "b"})
				if err != nil || len(rows) != 2 {
					h.Errorf("Get: %v, %d rows", err, len(rows))
					return
				}
				if rows[0].Version != rows[1].Version {
					h.Errorf("read versions %d and %d of rows written together", rows[0].Version, rows[1].Version)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for v := range uint64(rounds) {
		h.save(next(h.plainRow("a"), v+1), next(h.plainRow("b"), v+1))
	}
	close(stop)
	wg.Wait()
}
